//! Channels to the other daemons: they connect when first used, and again after a restart.

use std::path::Path;
use std::time::Duration;

use aios_contracts::v1::agent_client::AgentClient;
use aios_contracts::v1::config_client::ConfigClient;
use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::runtime_client::RuntimeClient;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::update_client::UpdateClient;
use aios_daemon::identity::Principal;
use aios_daemon::socket;
use hyper_util::rt::TokioIo;
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Error};

/// A client of each daemon; cloning is cheap.
#[derive(Clone, Debug)]
pub struct Clients {
    /// PID 1's control service.
    pub init: InitClient<Channel>,
    /// The model server.
    pub runtime: RuntimeClient<Channel>,
    /// The configuration daemon, started when needed.
    pub config: ConfigClient<Channel>,
    /// Goals and recall.
    pub memory: MemoryClient<Channel>,
    /// The tool registry.
    pub tools: ToolsClient<Channel>,
    /// The same on a connection of its own, for what listens for as long as it runs: a registry that stops
    /// takes no request on a connection that something still listens on.
    pub listening: ToolsClient<Channel>,
    /// The emergency stop of the tool registry.
    pub emergency: EmergencyClient<Channel>,
    /// The slots; runs only while it is used.
    pub update: UpdateClient<Channel>,
}

impl Clients {
    /// Clients of the daemons whose sockets are in the folder `run`.
    ///
    /// # Errors
    /// When the folder's path is no URI.
    pub fn new(run: &Path) -> Result<Self, Error> {
        let to = |name: &str| socket::channel(&run.join(format!("{name}.sock")));
        let limit = socket::MESSAGE_MAX;
        Ok(Self {
            init: InitClient::new(to("init")?).max_decoding_message_size(limit),
            runtime: RuntimeClient::new(to("runtime")?).max_decoding_message_size(limit),
            memory: MemoryClient::new(to("memory")?)
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
            config: ConfigClient::new(to("config")?),
            emergency: EmergencyClient::new(to("tools")?),
            listening: ToolsClient::new(to("tools")?).max_decoding_message_size(limit),
            tools: ToolsClient::new(to("tools")?)
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
            update: UpdateClient::new(to("update")?).max_decoding_message_size(limit),
        })
    }
}

/// How long an agent's socket may take to be connected to.
const CONNECT: Duration = Duration::from_secs(2);

/// A client of an agent. Each connection is given up before a byte is sent when another than the agent
/// listens there.
pub fn agent(run: &Path, name: &str) -> AgentClient<Channel> {
    let path = run.join("agents").join(format!("{name}.sock"));
    let agent = Principal::Agent(name.to_owned());
    let connect = move |_| {
        let (path, agent) = (path.clone(), agent.clone());
        async move {
            let stream = UnixStream::connect(&path).await?;
            let listens = stream.peer_cred()?.uid();
            if !may_listen(&agent, listens, rustix::process::geteuid().as_raw()) {
                let who = Principal::from_uid(listens);
                tracing::error!("{who} listens in the place of {agent}");
                return Err(std::io::Error::other(format!("{who} listens there")));
            }
            Ok(TokioIo::new(stream))
        }
    };
    let endpoint = Endpoint::from_static("unix:agent").connect_timeout(CONNECT);
    let channel = endpoint.connect_with_connector_lazy(tower::service_fn(connect));
    AgentClient::new(channel)
        .max_decoding_message_size(socket::MESSAGE_MAX)
        .max_encoding_message_size(socket::MESSAGE_MAX)
}

/// May a process of this uid be the one that listens at the agent's socket? The agent, or one of our
/// `own` account, which could do what we do.
fn may_listen(agent: &Principal, uid: u32, own: u32) -> bool {
    Principal::from_uid(uid) == *agent || uid == own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_an_agents_socket_nobody_else_is_spoken_to() {
        let check = |uid, expected| {
            let agent = Principal::Agent("storage".into());
            assert_eq!(may_listen(&agent, uid, 905), expected, "{uid}");
        };
        check(915, true);
        check(917, false);
        check(904, false);
        check(1000, false);
        check(905, true);
    }
}
