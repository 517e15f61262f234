//! Channels to the other daemons: they connect when first used, and again after a restart.

use std::path::Path;

use aios_contracts::v1::agent_client::AgentClient;
use aios_contracts::v1::config_client::ConfigClient;
use aios_contracts::v1::emergency_client::EmergencyClient;
use aios_contracts::v1::init_client::InitClient;
use aios_contracts::v1::memory_client::MemoryClient;
use aios_contracts::v1::runtime_client::RuntimeClient;
use aios_contracts::v1::tools_client::ToolsClient;
use aios_contracts::v1::update_client::UpdateClient;
use aios_daemon::socket;
use tonic::transport::{Channel, Error};

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
            tools: ToolsClient::new(to("tools")?)
                .max_decoding_message_size(limit)
                .max_encoding_message_size(limit),
            update: UpdateClient::new(to("update")?).max_decoding_message_size(limit),
        })
    }
}

/// A client of an agent.
///
/// # Errors
/// When the path is no URI.
pub fn agent(run: &Path, name: &str) -> Result<AgentClient<Channel>, Error> {
    let path = run.join("agents").join(format!("{name}.sock"));
    Ok(AgentClient::new(socket::channel(&path)?)
        .max_decoding_message_size(socket::MESSAGE_MAX)
        .max_encoding_message_size(socket::MESSAGE_MAX))
}
