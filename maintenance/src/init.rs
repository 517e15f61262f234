//! Installing, by the role that does it at every boot: `aios-provision`.

use std::time::Duration;

use aios_contracts::v1::ServiceRequest;
use aios_contracts::v1::init_client::InitClient;
use tonic::transport::Channel;

use crate::Place;
use crate::service::Installer;

/// How long it may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Asks init.
pub struct Init {
    client: InitClient<Channel>,
}

impl Init {
    /// Whose socket is in the folder of sockets.
    ///
    /// # Errors
    /// When the folder's path is no URI.
    pub fn new(place: &Place) -> anyhow::Result<Self> {
        let channel = aios_daemon::socket::channel(&place.run.join("init.sock"))?;
        Ok(Self {
            client: InitClient::new(channel),
        })
    }
}

#[tonic::async_trait]
impl Installer for Init {
    async fn install(&self) -> Result<(), String> {
        let request = ServiceRequest {
            name: "provision".to_owned(),
        };
        let mut client = self.client.clone();
        match tokio::time::timeout(LIMIT, client.restart_service(request)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_) => Err("init does not answer".to_owned()),
        }
    }
}
