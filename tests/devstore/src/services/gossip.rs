//! Gossip: who is in the cluster (protocol §1.2).
//!
//! Never asks another node; what is said here is what this process knows.

use std::sync::Arc;

use ditto_protocol::gossip::gossip_server;
use ditto_protocol::gossip::{ClusterInfo, EndPoint, MemberInfo};
use ditto_protocol::ids::{IdForm, to_wire};
use ditto_protocol::shared::Empty;
use tonic::{Request, Response, Status};

use super::admission::{Caller, Entry, Kind, admit};
use crate::clock;
use crate::cluster::Phase;
use crate::node::Node;

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
    async fn read(&self, request: Request<Empty>) -> Result<Response<ClusterInfo>, Status> {
        let entry = Entry {
            call: "Gossip/Read",
            kind: Kind::Server,
            stream: None,
            access: None,
        };
        admit(&self.node, &Caller::of(request.extensions()), entry).await?;
        let since = clock::since_1970();
        let time_stamp = i64::try_from(since.as_nanos() / 100).unwrap_or(i64::MAX);
        let members = self
            .node
            .cluster
            .members()
            .into_iter()
            .map(|member| MemberInfo {
                instance_id: Some(to_wire(member.instance, IdForm::Structured)),
                time_stamp,
                state: member.state().into(),
                is_alive: member.phase != Phase::Down,
                http_end_point: Some(EndPoint {
                    address: member.advertised.0,
                    port: u32::from(member.advertised.1),
                }),
            });
        Ok(Response::new(ClusterInfo {
            members: members.collect(),
        }))
    }
}
