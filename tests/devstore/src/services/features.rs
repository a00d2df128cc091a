//! ServerFeatures: the methods that the server lists (protocol §1.1).
//!
//! Lists what a real server of the generation lists, served here or not, because clients choose their ways by it.

use std::sync::Arc;

use ditto_protocol::server_features::server_features_server::ServerFeatures;
use ditto_protocol::server_features::{SupportedMethod, SupportedMethods};
use ditto_protocol::shared::Empty;
use tonic::{Request, Response, Status};

use super::admission::{Caller, Entry, Kind, admit};
use crate::generation::Generation;
use crate::node::Node;

/// A service, the methods that are served here, and those that are only listed.
struct Listed {
    service: &'static str,
    served: &'static [(&'static str, &'static [&'static str])],
    listed: &'static [(&'static str, &'static [&'static str])],
}

/// Those of the older generation only.
const OLDER: &[Listed] = &[Listed {
    service: "event_store.client.redaction.Redaction",
    served: &[],
    listed: REDACTION,
}];

/// Those of the newer generation only.
const NEWER: &[Listed] = &[
    Listed {
        service: "kurrent.client.redaction.Redaction",
        served: &[],
        listed: REDACTION,
    },
    Listed {
        service: NEWER_STREAMS,
        served: &[],
        listed: &[("AppendRecords", &[]), ("AppendSession", &[])],
    },
];

const NEWER_STREAMS: &str = "kurrentdb.protocol.v2.streams.StreamsService";
const REDACTION: &[(&str, &[&str])] = &[("GetEventPositions", &[]), ("SwitchChunks", &[])];

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
        served: &[("Statistics", &[])],
        listed: &[
            ("Create", &["track_emitted_streams"]),
            ("Update", &[]),
            ("Delete", &[]),
            ("Disable", &[]),
            ("Enable", &[]),
            ("Reset", &[]),
            ("State", &[]),
            ("Result", &[]),
            ("RestartSubsystem", &[]),
        ],
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

fn services(generation: Generation) -> impl Iterator<Item = &'static Listed> {
    let own = match generation {
        Generation::V23_10_4 => OLDER,
        Generation::V26_1_0 => NEWER,
    };
    SERVICES.iter().chain(own)
}

/// How a call is refused that no service here answers; `None` if one does. A service that does not exist gets not even a
/// gRPC answer (protocol §1.1): that is `Some(None)`.
pub(crate) fn refusal(
    generation: Generation,
    service: &str,
    method: &str,
) -> Option<Option<Status>> {
    let Some(listed) = services(generation).find(|listed| listed.service == service) else {
        return Some(None);
    };
    if listed.served.iter().any(|(name, _)| *name == method) {
        return None;
    }
    Some(Some(match service {
        // The real server reads a request there, and finds an empty one wrong.
        NEWER_STREAMS => Status::invalid_argument("Invalid request."),
        _ => Status::unimplemented("Method is unimplemented."),
    }))
}

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
        let generation = self.node.generation();
        let methods = services(generation).flat_map(|listed| {
            let methods = listed.served.iter().chain(listed.listed);
            methods.map(|(name, features)| SupportedMethod {
                method_name: name.to_lowercase(),
                service_name: listed.service.to_lowercase(),
                features: features.iter().map(|&feature| feature.to_owned()).collect(),
            })
        });
        Ok(Response::new(SupportedMethods {
            methods: methods.collect(),
            event_store_server_version: generation.version().to_owned(),
        }))
    }
}
