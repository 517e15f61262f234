//! `aiosctl mcp`: the tools of one appliance for an MCP client, over standard input and output.
//!
//! 1. It holds no authority of its own: it asks the management API as the operator, with the
//!    operator's certificate, and the node decides as for any other call of `aiosctl`.
//! 2. A change takes two steps: the preview with a token, then the act ([`steps`], [`token`]).
//!    An approval that the node wants is reported, never given.
//! 3. Both sides are taken for hostile: a client finds limits on sizes, on calls at one time and on
//!    what waits ([`transport`], [`calls`]); what the node says is escaped and cut ([`bounds`]).
//! 4. What cannot be done is a tool's error that says what, where, and what to do ([`answer`]).
//!    Protocol errors are for faults of the protocol.
//!
//! What must not live here: decisions about who may do what.

mod answer;
mod bounds;
mod calls;
mod catalog;
mod name;
mod schema;
mod server;
mod steps;
mod token;
mod transport;

use std::sync::Arc;
use std::time::Duration;

use aiosctl::cli::Global;
use aiosctl::commands;
use aiosctl::commands::mcp::Arguments;
use aiosctl::error::{Exit, Failure};
use rmcp::ServiceExt as _;
use rmcp::service::ServerInitializeError;
use rmcp::transport::async_rw::AsyncRwTransport;

use catalog::Rules;
use server::{LIST_TTL, Server};
use transport::{Bounded, Open};

/// How often the node is asked whether its tools have changed. They do when it is updated.
const LOOK_AGAIN: Duration = Duration::from_secs(300);

/// The longest message of a client, in bytes. A longer one is not read.
const MESSAGE_MAX: usize = 4 * 1024 * 1024;

/// Serves one client on standard input and output until it closes them.
///
/// # Errors
/// When the node cannot be reached at the start, or what comes in is not MCP.
pub async fn serve(global: Global, arguments: Arguments) -> Result<Exit, Failure> {
    let client = commands::connect(&global).await?;
    let rules = Rules::new(&arguments, client.role()?)?;
    let open = Arc::new(Open::default());
    let server = Server::new(client, rules, open.clone()).await?;
    let looking = tokio::spawn(look_again(server.clone()));
    let stream = AsyncRwTransport::new_server(tokio::io::stdin(), tokio::io::stdout())
        .with_max_line_length(MESSAGE_MAX);
    let served = server.serve(Bounded::new(stream, open)).await;
    let ended = match served {
        Ok(running) => running
            .waiting()
            .await
            .map(|_| Exit::Succeeded)
            .map_err(|error| Failure::failed(format!("the MCP server broke: {error}"))),
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(Exit::Succeeded),
        Err(error) => Err(Failure::failed(format!("what came in is not MCP: {error}"))
            .hint("an MCP client starts this command and speaks to it; see docs/mcp.md")),
    };
    looking.abort();
    ended
}

/// Finds out about changes of the registry, for the clients that want to be told.
async fn look_again(server: Server) {
    loop {
        tokio::time::sleep(LOOK_AGAIN).await;
        // A node that is away now is asked again; who lists or calls meanwhile hears why it fails.
        let _ = server.catalog().tools(LIST_TTL).await;
    }
}
