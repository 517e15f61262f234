//! The connection to an appliance: mTLS, deadlines, errors that say what to do.

use std::future::Future;
use std::time::Duration;

use aios_contracts::v1::management_client::ManagementClient;
use aios_role::Role;
use rustls::ClientConfig;
use tonic::transport::{Channel, Endpoint};
use tonic::{Response, Status};

use crate::config::Context;
use crate::diagnose;
use crate::error::{Exit, Failure};
use crate::{files, pki, probe, tls};

/// How long a call may take when nothing else was asked.
const CALL_TIMEOUT: Duration = Duration::from_secs(30);

/// How long connecting, TLS included, may take. An appliance answers in milliseconds.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is taken, in bytes: a long list of goals with their outputs.
const ANSWER_MAX: usize = 64 * 1024 * 1024;

/// A connected client.
#[derive(Clone, Debug)]
pub struct Client {
    channel: Channel,
    context: Context,
    asked_timeout: Option<Duration>,
}

impl Client {
    /// Connects to the context's appliance.
    ///
    /// # Errors
    /// When a certificate cannot be used, or the appliance cannot be reached.
    pub async fn connect(
        context: &Context,
        asked_timeout: Option<Duration>,
    ) -> Result<Self, Failure> {
        let deadline = asked_timeout.unwrap_or(CONNECT_TIMEOUT);
        let (endpoint, config) = secure_endpoint(context)?;
        let endpoint = endpoint.connect_timeout(deadline);
        let connecting = endpoint.connect_with_connector(tls::connector(config));
        let connecting = tokio::time::timeout(deadline, connecting);
        let channel = match connecting.await {
            Ok(Ok(channel)) => channel,
            Ok(Err(error)) => {
                let failure = diagnose::connection(&context.endpoint, &error);
                return Err(explain(context, failure).await);
            }
            Err(_) => return Err(diagnose::no_connection_in_time(&context.endpoint, deadline)),
        };
        Ok(Self {
            channel,
            context: context.clone(),
            asked_timeout,
        })
    }

    /// Connects anew, to an appliance that may have restarted.
    ///
    /// # Errors
    /// As [`Client::connect`].
    pub async fn again(&self, limit: Duration) -> Result<Self, Failure> {
        Self::connect(&self.context, Some(limit)).await
    }

    /// The management API.
    pub fn management(&self) -> ManagementClient<Channel> {
        ManagementClient::new(self.channel.clone()).max_decoding_message_size(ANSWER_MAX)
    }

    /// `https://HOST:PORT` of the appliance.
    pub fn endpoint(&self) -> &str {
        &self.context.endpoint
    }

    /// The role that the operator's certificate names; the appliance reads the same one.
    ///
    /// # Errors
    /// When the certificate cannot be read, or names no role.
    pub fn role(&self) -> Result<Role, Failure> {
        let certificate = pki::show::read(&files::read(&self.context.certificate)?)?;
        Role::parse(&certificate.role).ok_or_else(|| {
            let path = self.context.certificate.display();
            Failure::usage(format!("the certificate {path} names no role"))
                .hint("make one with `aiosctl pki operator NAME --role ROLE`")
        })
    }

    /// The deadline: what was asked for on the command line, else `default`.
    pub fn timeout(&self, default: Duration) -> Duration {
        self.asked_timeout.unwrap_or(default)
    }

    /// The deadline, if one was asked for on the command line.
    pub fn asked_timeout(&self) -> Option<Duration> {
        self.asked_timeout
    }

    /// Waits for the answer of a call, for as long as one may take.
    ///
    /// # Errors
    /// What the appliance or the connection said, as a [`Failure`].
    pub async fn call<T>(
        &self,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        self.call_within(CALL_TIMEOUT, call).await
    }

    /// The same for a call that may take so long, if nothing else was asked for on the command line.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn call_within<T>(
        &self,
        limit: Duration,
        call: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Failure> {
        let timeout = self.timeout(limit);
        match tokio::time::timeout(timeout, call).await {
            Ok(Ok(answer)) => Ok(answer.into_inner()),
            Ok(Err(status)) => Err(explain(&self.context, self.failure(&status)).await),
            Err(_) => Err(self.late(timeout)),
        }
    }

    /// What a refused or broken call means.
    pub fn failure(&self, status: &Status) -> Failure {
        diagnose::status(&self.context.endpoint, status)
    }

    /// No answer within the deadline.
    pub fn late(&self, timeout: Duration) -> Failure {
        let what = format!(
            "no answer from {} within {timeout:?}",
            self.context.endpoint
        );
        Failure::new(Exit::Timeout, what).hint("wait longer with --timeout SECONDS")
    }
}

/// A connection that broke says more when TLS is tried by itself.
async fn explain(context: &Context, failure: Failure) -> Failure {
    if failure.exit != Exit::Connect {
        return failure;
    }
    match probe::tls_error(context).await {
        Some(error) => diagnose::connection(&context.endpoint, &error),
        None => failure,
    }
}

/// The connection's settings, and the TLS that it is made with.
fn secure_endpoint(context: &Context) -> Result<(Endpoint, ClientConfig), Failure> {
    let certificate = pki::show::read(&files::read(&context.certificate)?)?;
    let now = time::OffsetDateTime::now_utc().unix_timestamp();
    diagnose::own_certificate(&context.certificate, &certificate, now)?;
    let endpoint = Endpoint::from_shared(tls::plain(&context.endpoint))
        .map_err(|error| diagnose::unusable_credentials(context, &error))?
        .http2_keep_alive_interval(Duration::from_secs(10))
        .keep_alive_timeout(Duration::from_secs(10));
    Ok((endpoint, tls::configuration(context)?))
}
