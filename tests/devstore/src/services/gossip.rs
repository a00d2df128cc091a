//! Gossip: who is in the cluster (`protocol.md` §1.2).
//!
//! Never asks another node; what is said here is what this process knows.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use ditto_protocol::gossip::gossip_server;
use ditto_protocol::gossip::member_info::VNodeState;
use ditto_protocol::gossip::{ClusterInfo, EndPoint, MemberInfo};
use ditto_protocol::ids::{IdForm, to_wire};
use ditto_protocol::shared::Empty;
use tonic::{Request, Response, Status};

use crate::node::Node;

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Gossip {
    node: Arc<Node>,
}

impl Gossip {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
        }
    }
}

#[tonic::async_trait]
impl gossip_server::Gossip for Gossip {
    async fn read(&self, _: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let (address, port) = self.node.advertised.clone();
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        let member = MemberInfo {
            instance_id: Some(to_wire(self.node.instance, IdForm::Structured)),
            time_stamp: i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX),
            state: VNodeState::Leader.into(),
            is_alive: true,
            http_end_point: Some(EndPoint {
                address,
                port: u32::from(port),
            }),
        };
        Ok(Response::new(ClusterInfo {
            members: vec![member],
        }))
    }
}
