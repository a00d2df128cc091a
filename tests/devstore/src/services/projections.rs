//! Projections: only what Statistics says of one by its name (protocol §2.6, §14.2).
//!
//! The system projections always run, unless somebody wrote into what they write (protocol §6.2). Never manages one.

use std::pin::Pin;
use std::sync::Arc;

use ditto_protocol::projections::projections_server;
use ditto_protocol::projections::statistics_req::options::Mode;
use ditto_protocol::projections::statistics_resp::Details;
use ditto_protocol::projections::{StatisticsReq, StatisticsResp};
use futures_util::{Stream, stream};
use tonic::{Request, Response, Status};

use super::admission::{Caller, Entry, Kind, admit};
use crate::generation::Generation;
use crate::node::Node;

#[derive(Clone, Debug)]
pub(crate) struct Projections {
    node: Arc<Node>,
}

impl Projections {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
        }
    }
}

#[tonic::async_trait]
impl projections_server::Projections for Projections {
    type StatisticsStream = Pin<Box<dyn Stream<Item = Result<StatisticsResp, Status>> + Send>>;

    async fn statistics(
        &self,
        request: Request<StatisticsReq>,
    ) -> Result<Response<Self::StatisticsStream>, Status> {
        let entry = Entry {
            call: "Projections/Statistics",
            // Not answered while the subsystems start.
            kind: Kind::Group,
            stream: None,
            access: None,
        };
        admit(&self.node, &Caller::of(request.extensions()), entry).await?;
        let options = request.into_inner().options;
        let Some(Mode::Name(name)) = options.and_then(|options| options.mode) else {
            return Err(Status::invalid_argument("Only a name is understood here."));
        };
        let Some(running) = self.node.cluster.store.is_projection_running(&name) else {
            let text = "Envelope callback expected Statistics, received NotFound instead";
            return Err(match self.node.generation() {
                Generation::V23_10_4 => Status::unknown(text),
                Generation::V26_1_0 => Status::not_found(text),
            });
        };
        let answer = StatisticsResp {
            details: Some(Details {
                status: if running { "Running" } else { "Faulted" }.to_owned(),
                state_reason: String::new(),
                name,
            }),
        };
        Ok(Response::new(Box::pin(stream::iter([Ok(answer)]))))
    }
}
