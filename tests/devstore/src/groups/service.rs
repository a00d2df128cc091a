//! The gRPC service of the groups, all but the Read call (protocol §2.4). Never knows how a group works inside.

use super::call::{self, Deliveries};
use super::manager::{Groups, Key};
use super::{request, status, wire};
use ditto_protocol::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptions;
use ditto_protocol::persistent_subscriptions::{
    CreateReq, CreateResp, DeleteReq, DeleteResp, GetInfoReq, GetInfoResp, ListReq, ListResp,
    ReadReq, ReplayParkedReq, ReplayParkedResp, UpdateReq, UpdateResp, delete_req, get_info_req,
    list_req, replay_parked_req,
};
use ditto_protocol::shared::Empty;
use tonic::{Request, Response, Status, Streaming};

/// The service; clones serve the same groups.
#[derive(Clone, Debug)]
pub(crate) struct Service {
    groups: Groups,
}

impl Service {
    /// The service of these groups.
    pub(crate) fn new(groups: Groups) -> Service {
        Service { groups }
    }
}

#[tonic::async_trait]
impl PersistentSubscriptions for Service {
    type ReadStream = Deliveries;

    async fn create(&self, request: Request<CreateReq>) -> Result<Response<CreateResp>, Status> {
        let wanted = request::create(request.into_inner(), self.groups.last_position())?;
        if wanted.key.source.is_empty() {
            // The real server never answers this one (protocol §8.1); the client's own time limit ends the call.
            std::future::pending::<()>().await;
        }
        let created = self
            .groups
            .create(wanted.key.clone(), wanted.source, wanted.settings)
            .await;
        created
            .map(|()| Response::new(CreateResp {}))
            .map_err(|error| status::of(&error, &wanted.key))
    }

    async fn update(&self, request: Request<UpdateReq>) -> Result<Response<UpdateResp>, Status> {
        let wanted = request::update(request.get_ref(), self.groups.last_position())?;
        let updated = self.groups.update(&wanted.key, wanted.settings).await;
        updated
            .map(|()| Response::new(UpdateResp {}))
            .map_err(|error| status::of(&error, &wanted.key))
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let source = match options.stream_option.ok_or_else(status::exception)? {
            delete_req::options::StreamOption::StreamIdentifier(stream) => {
                request::name(Some(stream))?
            }
            delete_req::options::StreamOption::All(_) => "$all".to_owned(),
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let deleted = self.groups.delete(&key).await;
        deleted
            .map(|()| Response::new(DeleteResp {}))
            .map_err(|error| status::of(&error, &key))
    }

    async fn read(
        &self,
        request: Request<Streaming<ReadReq>>,
    ) -> Result<Response<Deliveries>, Status> {
        call::open(&self.groups, request).await.map(Response::new)
    }

    async fn get_info(
        &self,
        request: Request<GetInfoReq>,
    ) -> Result<Response<GetInfoResp>, Status> {
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let source = match options.stream_option.ok_or_else(status::exception)? {
            get_info_req::options::StreamOption::StreamIdentifier(stream) => {
                request::name(Some(stream))?
            }
            get_info_req::options::StreamOption::All(_) => "$all".to_owned(),
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let info = self
            .groups
            .info(&key)
            .await
            .map_err(|error| status::of(&error, &key))?;
        Ok(Response::new(GetInfoResp {
            subscription_info: Some(wire::info(&key, &info)),
        }))
    }

    async fn replay_parked(
        &self,
        request: Request<ReplayParkedReq>,
    ) -> Result<Response<ReplayParkedResp>, Status> {
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let source = match options.stream_option.ok_or_else(status::exception)? {
            replay_parked_req::options::StreamOption::StreamIdentifier(stream) => {
                request::name(Some(stream))?
            }
            replay_parked_req::options::StreamOption::All(_) => "$all".to_owned(),
        };
        let stop_at = match options.stop_at_option.ok_or_else(status::exception)? {
            replay_parked_req::options::StopAtOption::StopAt(revision) => Some(revision),
            replay_parked_req::options::StopAtOption::NoLimit(_) => None,
        };
        let key = Key {
            source,
            group: options.group_name,
        };
        let replayed = self.groups.replay(&key, stop_at).await;
        replayed
            .map(|()| Response::new(ReplayParkedResp {}))
            .map_err(|error| status::of(&error, &key))
    }

    async fn list(&self, request: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        let options = request.into_inner().options.ok_or_else(status::exception)?;
        let source = match options.list_option.ok_or_else(status::exception)? {
            list_req::options::ListOption::ListAllSubscriptions(_) => None,
            list_req::options::ListOption::ListForStream(stream) => {
                Some(match stream.stream_option.ok_or_else(status::exception)? {
                    list_req::stream_option::StreamOption::Stream(stream) => {
                        request::name(Some(stream))?
                    }
                    list_req::stream_option::StreamOption::All(_) => "$all".to_owned(),
                })
            }
        };
        let key = Key {
            source: source.clone().unwrap_or_default(),
            group: String::new(),
        };
        let groups = self
            .groups
            .list(source.as_deref())
            .await
            .map_err(|error| status::of(&error, &key))?;
        let subscriptions = groups
            .iter()
            .map(|(key, info)| wire::info(key, info))
            .collect();
        Ok(Response::new(ListResp { subscriptions }))
    }

    async fn restart_subsystem(&self, _: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.groups.restart().await;
        Ok(Response::new(Empty {}))
    }
}
