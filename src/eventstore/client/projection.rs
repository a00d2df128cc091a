//! The state of a projection, in the server's own word (protocol §2.6).
//!
//! Never starts or stops one, and never blames a node for not answering: a server whose projections are still starting does
//! not (protocol §14.2), though it answers everything else.

use ditto_protocol::projections::StatisticsReq;
use ditto_protocol::projections::statistics_req::Options;
use ditto_protocol::projections::statistics_req::options::Mode;
use tokio::time::timeout;

use super::super::error::{Class, Error};
use super::Client;

const ACTION: &str = "ask for the state of a projection";

impl Client {
    /// The state, such as `Running`, `Stopped` or `Faulted`.
    ///
    /// # Errors
    /// The server has no such projection or none at all, refuses to tell, or does not answer within the limit of gossip.
    pub(crate) async fn projection_state(&self, name: &str) -> Result<String, Error> {
        let node = self.leading().await?;
        let request = node.request(StatisticsReq {
            options: Some(Options {
                mode: Some(Mode::Name(name.to_owned())),
            }),
        });
        let mut projections = node.projections();
        let asking = async {
            let mut answers = projections.statistics(request).await?.into_inner();
            answers.message().await
        };
        let limit = self.settings().gossip_timeout;
        let error = |class, text: String| Error::new(self.side(), class, ACTION, text);
        match timeout(limit, asking).await {
            Ok(Ok(answer)) => answer
                .and_then(|answer| answer.details)
                .map(|details| details.status)
                .ok_or_else(|| error(Class::Refused, "the answer is empty".to_owned())),
            Ok(Err(status)) => Err(Error::from_status(self.side(), ACTION, &status)),
            Err(_) => Err(error(Class::Timeout, format!("no answer within {limit:?}"))),
        }
    }
}
