//! One node: its address, a connection to it, what is sent with each call, and what it can do.
//!
//! Files (password, certificates) are read when a node is opened, so that a new connection sees rotated ones. Never
//! chooses a node.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;

use base64::Engine;
use ditto_protocol::gossip::gossip_client::GossipClient;
use ditto_protocol::projections::projections_client::ProjectionsClient;
use ditto_protocol::server_features::server_features_client::ServerFeaturesClient;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::streams_client::StreamsClient;
use tonic::metadata::{AsciiMetadataValue, MetadataMap};
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::super::error::{Class, Error, Side};
use super::addresses::{Asking, Openings, Resolver, connector};
use super::encryption;
use super::features::{Features, features};
use crate::config::cluster::{ClusterSettings, Endpoint, KeepAlive, Tls};
use crate::net::files;
use crate::net::tls::{Expiry, TlsMaterial};

/// What a connection may hold unread of one call; the crate's 2 MiB limit reading over long distances (protocol §11
/// T46).
const STREAM_WINDOW: u32 = 4 << 20;
/// What a connection may hold unread altogether.
const CONNECTION_WINDOW: u32 = 16 << 20;
/// Two events of 16 MiB (event and link) with room to spare; a larger answer is refused.
pub(super) const LARGEST_ANSWER: usize = 36 << 20;

const AUTHORIZATION: &str = "authorization";
const REQUIRES_LEADER: &str = "requires-leader";

/// `ditto/HOST/PID`, printable ASCII (protocol §11 T36): what GetInfo shows of whoever holds a group.
#[must_use]
pub fn connection_name(settings: &ClusterSettings) -> String {
    if let Some(name) = &settings.connection_name {
        return name.clone();
    }
    let host: String = crate::host::name()
        .chars()
        .map(|c| if c.is_ascii_graphic() { c } else { '?' })
        .collect();
    let host = if host.is_empty() { "unknown" } else { &host };
    format!("ditto/{host}/{}", std::process::id())
}

/// What is the same for all connections of one opening: files as they were then.
#[derive(Clone, Debug)]
pub(crate) struct Material {
    pub(super) settings: Arc<ClusterSettings>,
    tls: Option<TlsMaterial>,
    headers: MetadataMap,
    resolver: Resolver,
    openings: Openings,
}

impl Material {
    /// Reads and checks all files that the settings name, on the caller's thread.
    pub(super) fn read(
        settings: Arc<ClusterSettings>,
        expiry: &Arc<Expiry>,
        resolver: Resolver,
        openings: Openings,
    ) -> Result<Self, String> {
        let tls = match &settings.tls {
            Tls::Off => None,
            Tls::On(files) => Some(TlsMaterial::load(files, expiry)?),
        };
        let mut headers = MetadataMap::new();
        headers.insert(REQUIRES_LEADER, AsciiMetadataValue::from_static("true"));
        let name = connection_name(&settings);
        headers.insert("connection-name", ascii(&name)?);
        if let Some(credentials) = &settings.credentials {
            let password = files::password(credentials)?;
            let pair = format!("{}:{}", credentials.user, password.reveal());
            let mut basic = ascii(&format!(
                "Basic {}",
                base64::engine::general_purpose::STANDARD.encode(pair)
            ))?;
            basic.set_sensitive(true);
            headers.insert(AUTHORIZATION, basic);
        }
        Ok(Self {
            settings,
            tls,
            headers,
            resolver,
            openings,
        })
    }

    /// Makes a call to each address of a node until one answers, within the limit of gossip.
    pub(super) async fn ask<T, F>(
        &self,
        side: Side,
        action: &'static str,
        node: &Endpoint,
        call: impl Fn(Channel) -> F,
    ) -> Result<Answered<T>, Error>
    where
        F: Future<Output = Result<T, Status>>,
    {
        let asking = Asking {
            side,
            action,
            node,
            limit: self.settings.gossip_timeout,
        };
        let asked = asking.each(&self.resolver, |address| {
            let channel = self.channel(side, node, address);
            let call = &call;
            async move {
                let channel = channel?;
                let answer = call(channel.clone()).await;
                match answer {
                    Ok(answer) => Ok((answer, channel, address)),
                    Err(status) => {
                        let error = Error::from_status(side, action, &status);
                        Err(self.explained(error, node, address).await)
                    }
                }
            }
        });
        let ((answer, channel, address), addresses) = asked.await?;
        Ok(Answered {
            answer,
            channel,
            address,
            is_one_of_many: addresses > 1,
        })
    }

    /// The same error, or what the server was found to speak instead of what is configured.
    async fn explained(&self, error: Error, node: &Endpoint, address: SocketAddr) -> Error {
        if self.resolver.is_played() {
            return error;
        }
        // Part of the whole limit is left for it only if the failure was quick.
        let limit = self.settings.gossip_timeout / 4;
        let clear = self.tls.as_ref().and_then(|_| {
            let without = Self {
                tls: None,
                ..self.clone()
            };
            without.channel(error.side(), node, address).ok()
        });
        encryption::explained(error, node, address, clear, limit).await
    }

    /// A connection of its own to an address of a node; it is made at the first call.
    fn channel(
        &self,
        side: Side,
        endpoint: &Endpoint,
        address: SocketAddr,
    ) -> Result<Channel, Error> {
        let transport = Transport {
            stream_window: STREAM_WINDOW,
            connection_window: CONNECTION_WINDOW,
            pings: self.settings.keep_alive,
        };
        let to = (address, self.openings.clone());
        self.channel_with(side, endpoint, to, transport)
    }

    fn channel_with(
        &self,
        side: Side,
        endpoint: &Endpoint,
        (address, openings): (SocketAddr, Openings),
        transport: Transport,
    ) -> Result<Channel, Error> {
        let failed = |error: tonic::transport::Error| {
            let text = std::error::Error::source(&error)
                .map_or_else(|| error.to_string(), ToString::to_string);
            Error::new(
                side,
                Class::Configuration,
                "prepare a connection",
                format!("{endpoint}: {text}"),
            )
        };
        let limit = self.settings.gossip_timeout;
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        let mut builder = Channel::from_shared(format!("{scheme}://{endpoint}"))
            .map_err(|error| {
                Error::new(
                    side,
                    Class::Configuration,
                    "prepare a connection",
                    format!("{endpoint}: {error}"),
                )
            })?
            .connect_timeout(limit)
            .initial_stream_window_size(transport.stream_window)
            .initial_connection_window_size(transport.connection_window);
        if let Some(pings) = transport.pings {
            builder = builder
                .http2_keep_alive_interval(pings.interval)
                .keep_alive_timeout(pings.timeout);
        }
        if let Some(tls) = &self.tls {
            let (config, verifier) = tls.for_host(&endpoint.host, limit);
            builder = builder
                .tls_config_with_verifier(config, verifier)
                .map_err(failed)?;
        }
        #[cfg(feature = "simulated")]
        if let Resolver::Played(network) = &self.resolver {
            return Ok(builder.connect_with_connector_lazy(network.connector(address, openings)));
        }
        Ok(builder.connect_with_connector_lazy(connector(address, openings)))
    }

    /// A request with ditto's headers.
    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        Request::from_parts(self.headers.clone(), tonic::Extensions::new(), message)
    }
}

/// What is chosen for a connection: how much it may hold unread, and pings.
#[derive(Clone, Copy, Debug)]
struct Transport {
    stream_window: u32,
    connection_window: u32,
    pings: Option<KeepAlive>,
}

/// An answer, and where it came from.
pub(super) struct Answered<T> {
    pub(super) answer: T,
    channel: Channel,
    address: SocketAddr,
    is_one_of_many: bool,
}

/// A node that answered.
#[derive(Debug)]
pub(crate) struct Node {
    side: Side,
    endpoint: Endpoint,
    /// The address at which it answered; every connection goes there.
    address: SocketAddr,
    is_one_of_many: bool,
    material: Material,
    channel: Channel,
    features: Features,
}

/// The address at which a node answered, for a client that would take another.
#[derive(Clone, Debug)]
pub(crate) struct Proven {
    /// The name that the server's certificate is verified against.
    pub(crate) host: String,
    /// Address and port that answered.
    pub(crate) address: SocketAddr,
    /// `None`: without TLS.
    pub(crate) tls: Option<TlsMaterial>,
}

impl Node {
    /// Connects, and asks what the node can do.
    pub(super) async fn open(
        side: Side,
        material: &Material,
        endpoint: Endpoint,
    ) -> Result<Self, Error> {
        let asked = material.ask(side, "connect", &endpoint, |channel| async {
            let mut client = ServerFeaturesClient::new(channel);
            match client
                .get_supported_methods(material.request(Empty {}))
                .await
            {
                // Servers before 21.6 do not know the question.
                Err(status) if status.code() == tonic::Code::Unimplemented => {
                    Ok(Features::default())
                }
                answer => Ok(features(&answer?.into_inner())),
            }
        });
        let Answered {
            answer,
            channel,
            address,
            is_one_of_many,
        } = asked.await?;
        Ok(Self {
            side,
            endpoint,
            address,
            is_one_of_many,
            material: material.clone(),
            channel,
            features: answer,
        })
    }

    /// The address to take, if the node's name has several.
    pub(crate) fn proven(&self) -> Option<Proven> {
        self.is_one_of_many.then(|| Proven {
            host: self.endpoint.host.clone(),
            address: self.address,
            tls: self.material.tls.clone(),
        })
    }

    pub(crate) fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    pub(crate) fn features(&self) -> &Features {
        &self.features
    }

    pub(super) fn request<T>(&self, message: T) -> Request<T> {
        self.material.request(message)
    }

    /// The same for a call that any node may answer, whether it leads or not.
    pub(super) fn request_of_any<T>(&self, message: T) -> Request<T> {
        let mut request = self.request(message);
        let no = AsciiMetadataValue::from_static("false");
        request.metadata_mut().insert(REQUIRES_LEADER, no);
        request
    }

    /// Whether its calls send another user or password than this.
    pub(super) fn sends_other_credentials(&self, now: &Material) -> bool {
        self.material.headers.get(AUTHORIZATION) != now.headers.get(AUTHORIZATION)
    }

    /// Streams over the connection that all calls share.
    pub(super) fn streams(&self) -> StreamsClient<Channel> {
        StreamsClient::new(self.channel.clone()).max_decoding_message_size(LARGEST_ANSWER)
    }

    /// Streams over a connection of its own that may hold this much unread, and that ends when its pings stay unanswered.
    pub(super) fn streams_with(
        &self,
        window: u32,
        pings: KeepAlive,
    ) -> Result<StreamsClient<Channel>, Error> {
        let transport = Transport {
            stream_window: window,
            connection_window: window,
            pings: Some(pings),
        };
        // Whoever opens it judges it: it counts among no others.
        let to = (self.address, Openings::default());
        let channel = self
            .material
            .channel_with(self.side, &self.endpoint, to, transport)?;
        Ok(StreamsClient::new(channel).max_decoding_message_size(LARGEST_ANSWER))
    }

    pub(super) fn gossip(&self) -> GossipClient<Channel> {
        GossipClient::new(self.channel.clone())
    }

    pub(super) fn projections(&self) -> ProjectionsClient<Channel> {
        ProjectionsClient::new(self.channel.clone())
    }

    /// Streams over a connection of its own.
    pub(super) fn streams_apart(&self) -> Result<StreamsClient<Channel>, Error> {
        let channel = self
            .material
            .channel(self.side, &self.endpoint, self.address)?;
        Ok(StreamsClient::new(channel).max_decoding_message_size(LARGEST_ANSWER))
    }
}

fn ascii(text: &str) -> Result<AsciiMetadataValue, String> {
    text.parse()
        .map_err(|_| "a header is not printable ASCII".to_owned())
}
