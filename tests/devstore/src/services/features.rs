//! ServerFeatures: the methods that the server lists (`protocol.md` §1.1).
//!
//! Lists what a 23.10.4 lists, served here or not, because clients choose their ways by it.

use std::sync::Arc;

use ditto_protocol::server_features::server_features_server::ServerFeatures;
use ditto_protocol::server_features::{SupportedMethod, SupportedMethods};
use ditto_protocol::shared::Empty;
use tonic::{Request, Response, Status};

use super::admission::{Caller, Entry, Kind, admit};
use crate::node::{Node, VERSION};

/// A service, the methods that are served here, and those that are only listed.
struct Listed {
    service: &'static str,
    served: &'static [(&'static str, &'static [&'static str])],
    listed: &'static [(&'static str, &'static [&'static str])],
}

const GROUP: &[&str] = &["stream", "all"];

const SERVICES: &[Listed] = &[
    Listed {
        service: "event_store.client.streams.Streams",
        served: &[
            ("Read", &["position", "events"]),
            ("Append", &[]),
            ("BatchAppend", &["deadline_duration"]),
            ("Delete", &[]),
            ("Tombstone", &[]),
        ],
        listed: &[],
    },
    Listed {
        service: "event_store.client.persistent_subscriptions.PersistentSubscriptions",
        served: &[
            ("Create", GROUP),
            ("Update", GROUP),
            ("Delete", GROUP),
            ("Read", GROUP),
            ("GetInfo", GROUP),
            ("ReplayParked", GROUP),
            ("List", GROUP),
            ("RestartSubsystem", GROUP),
        ],
        listed: &[],
    },
    Listed {
        service: "event_store.client.gossip.Gossip",
        served: &[("Read", &[])],
        listed: &[],
    },
    Listed {
        service: "event_store.client.server_features.ServerFeatures",
        served: &[("GetSupportedMethods", &[])],
        listed: &[],
    },
    Listed {
        service: "event_store.client.monitoring.Monitoring",
        served: &[],
        listed: &[("Stats", &[])],
    },
    Listed {
        service: "event_store.client.operations.Operations",
        served: &[],
        listed: &[
            ("StartScavenge", &[]),
            ("StopScavenge", &[]),
            ("Shutdown", &[]),
            ("MergeIndexes", &[]),
            ("ResignNode", &[]),
            ("SetNodePriority", &[]),
            ("RestartPersistentSubscriptions", &[]),
        ],
    },
    Listed {
        service: "event_store.client.projections.Projections",
        served: &[],
        listed: &[
            ("Create", &["track_emitted_streams"]),
            ("Update", &[]),
            ("Delete", &[]),
            ("Statistics", &[]),
            ("Disable", &[]),
            ("Enable", &[]),
            ("Reset", &[]),
            ("State", &[]),
            ("Result", &[]),
            ("RestartSubsystem", &[]),
        ],
    },
    Listed {
        service: "event_store.client.redaction.Redaction",
        served: &[],
        listed: &[("GetEventPositions", &[]), ("SwitchChunks", &[])],
    },
    Listed {
        service: "event_store.client.users.Users",
        served: &[],
        listed: &[
            ("Create", &[]),
            ("Update", &[]),
            ("Delete", &[]),
            ("Disable", &[]),
            ("Enable", &[]),
            ("Details", &[]),
            ("ChangePassword", &[]),
            ("ResetPassword", &[]),
        ],
    },
];

/// True if the server has a service of that name.
pub(crate) fn is_service(name: &str) -> bool {
    SERVICES.iter().any(|listed| listed.service == name)
}

/// True if that method of the service is served here.
pub(crate) fn is_served(service: &str, method: &str) -> bool {
    SERVICES.iter().any(|listed| {
        listed.service == service && listed.served.iter().any(|(name, _)| *name == method)
    })
}

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct Features {
    node: Arc<Node>,
}

impl Features {
    pub(crate) fn new(node: &Arc<Node>) -> Self {
        Self {
            node: Arc::clone(node),
        }
    }
}

#[tonic::async_trait]
impl ServerFeatures for Features {
    async fn get_supported_methods(
        &self,
        request: Request<Empty>,
    ) -> Result<Response<SupportedMethods>, Status> {
        let entry = Entry {
            call: "ServerFeatures/GetSupportedMethods",
            kind: Kind::Server,
            stream: None,
            access: None,
        };
        admit(&self.node, &Caller::of(request.extensions()), entry).await?;
        let methods = SERVICES.iter().flat_map(|listed| {
            let methods = listed.served.iter().chain(listed.listed);
            methods.map(|(name, features)| SupportedMethod {
                method_name: name.to_lowercase(),
                service_name: listed.service.to_lowercase(),
                features: features.iter().map(|&feature| feature.to_owned()).collect(),
            })
        });
        Ok(Response::new(SupportedMethods {
            methods: methods.collect(),
            event_store_server_version: VERSION.to_owned(),
        }))
    }
}
