//! The service of the groups behind a node's door: admitted, paced, struck by faults (protocol §8, §10, §14).
//!
//! Never knows how a group works.

use std::pin::Pin;
use std::sync::Arc;

use ditto_protocol::persistent_subscriptions::persistent_subscriptions_server::PersistentSubscriptions;
use ditto_protocol::persistent_subscriptions::{
    CreateReq, CreateResp, DeleteReq, DeleteResp, GetInfoReq, GetInfoResp, ListReq, ListResp,
    ReadReq, ReadResp, ReplayParkedReq, ReplayParkedResp, UpdateReq, UpdateResp,
};
use ditto_protocol::shared::Empty;
use futures_util::Stream;
use tonic::{Request, Response, Status, Streaming};

use super::admission::{Caller, Entry, Kind, admit};
use crate::faults::Interruptible;
use crate::groups::Service;
use crate::node::Node;
use crate::pace::Paced;
use crate::users::Access;

const READ: &str = "PersistentSubscriptions/Read";

#[derive(Clone, Debug)]
pub(crate) struct Groups {
    node: Arc<Node>,
    inner: Service,
}

/// Lets the consumers of one call in, once the call has said which group it wants to join.
#[derive(Clone, Debug)]
pub(crate) struct Door {
    node: Arc<Node>,
    caller: Caller,
}

impl Door {
    pub(crate) async fn admit(&self, source: &str) -> Result<(), Status> {
        let entry = Entry {
            call: READ,
            kind: Kind::Group,
            stream: Some(source),
            access: Some(if source == "$all" {
                Access::ReadAll
            } else {
                Access::Read(source)
            }),
        };
        admit(&self.node, &self.caller, entry).await
    }
}

impl Groups {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
            inner: Service::new(node.cluster.groups.clone()),
        }
    }

    async fn manage<T>(&self, request: &Request<T>, call: &'static str) -> Result<(), Status> {
        self.enter(request, call, Kind::Group, Access::ManageGroups)
            .await
    }

    async fn see<T>(&self, request: &Request<T>, call: &'static str) -> Result<(), Status> {
        self.enter(request, call, Kind::GroupInfo, Access::SeeGroups)
            .await
    }

    async fn enter<T>(
        &self,
        request: &Request<T>,
        call: &'static str,
        kind: Kind,
        access: Access<'_>,
    ) -> Result<(), Status> {
        let entry = Entry {
            call,
            kind,
            stream: None,
            access: Some(access),
        };
        admit(&self.node, &Caller::of(request.extensions()), entry).await
    }
}

#[tonic::async_trait]
impl PersistentSubscriptions for Groups {
    type ReadStream = Pin<Box<dyn Stream<Item = Result<ReadResp, Status>> + Send>>;

    async fn create(&self, request: Request<CreateReq>) -> Result<Response<CreateResp>, Status> {
        self.manage(&request, "PersistentSubscriptions/Create")
            .await?;
        self.inner.create(request).await
    }

    async fn update(&self, request: Request<UpdateReq>) -> Result<Response<UpdateResp>, Status> {
        self.manage(&request, "PersistentSubscriptions/Update")
            .await?;
        self.inner.update(request).await
    }

    async fn delete(&self, request: Request<DeleteReq>) -> Result<Response<DeleteResp>, Status> {
        self.manage(&request, "PersistentSubscriptions/Delete")
            .await?;
        self.inner.delete(request).await
    }

    async fn read(
        &self,
        mut request: Request<Streaming<ReadReq>>,
    ) -> Result<Response<Self::ReadStream>, Status> {
        let door = Door {
            node: Arc::clone(&self.node),
            caller: Caller::of(request.extensions()),
        };
        request.extensions_mut().insert(door);
        let deliveries = self.inner.read(request).await?.into_inner();
        let source = Some(deliveries.source().to_owned());
        let faults = &self.node.cluster.faults;
        let deliveries = Interruptible::new(deliveries, faults, READ, source, self.node.index);
        let interval = self.node.cluster.pace.push_interval();
        Ok(Response::new(Box::pin(Paced::new(deliveries, interval))))
    }

    async fn get_info(
        &self,
        request: Request<GetInfoReq>,
    ) -> Result<Response<GetInfoResp>, Status> {
        self.see(&request, "PersistentSubscriptions/GetInfo")
            .await?;
        self.inner.get_info(request).await
    }

    async fn replay_parked(
        &self,
        request: Request<ReplayParkedReq>,
    ) -> Result<Response<ReplayParkedResp>, Status> {
        self.manage(&request, "PersistentSubscriptions/ReplayParked")
            .await?;
        self.inner.replay_parked(request).await
    }

    async fn list(&self, request: Request<ListReq>) -> Result<Response<ListResp>, Status> {
        self.see(&request, "PersistentSubscriptions/List").await?;
        self.inner.list(request).await
    }

    async fn restart_subsystem(&self, request: Request<Empty>) -> Result<Response<Empty>, Status> {
        self.manage(&request, "PersistentSubscriptions/RestartSubsystem")
            .await?;
        self.inner.restart_subsystem(request).await
    }
}
