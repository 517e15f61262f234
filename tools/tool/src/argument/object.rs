//! Arguments that name an object for which the caller must hold a capability.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::{ACCESS, Access, Argument, KEY, Kind};
use crate::context::Context;
use crate::demand::Collector;
use crate::error::ToolError;

/// What a call does with an object: the second part of a capability.
pub trait Action: 'static {
    /// Its name in capabilities.
    const NAME: &'static str;
    /// Does it change the object?
    const ACCESS: Access;
}

macro_rules! actions {
    ($($(#[$doc:meta])* $action:ident = $name:literal, $access:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $action {}

        impl Action for $action {
            const NAME: &'static str = $name;
            const ACCESS: Access = Access::$access;
        }
    )*};
}

actions! {
    /// Looks at it.
    Read = "read", Read;
    /// Reads its log.
    Logs = "logs", Read;
    /// Opens a connection to it.
    Connect = "connect", Read;
    /// Starts it.
    Start = "start", Change;
    /// Stops it.
    Stop = "stop", Change;
    /// Restarts it.
    Restart = "restart", Change;
    /// Sends it a signal.
    Signal = "signal", Change;
    /// Installs it.
    Install = "install", Change;
    /// Takes it away.
    Remove = "remove", Change;
    /// Adds it.
    Add = "add", Change;
    /// Changes it.
    Modify = "change", Change;
    /// Has it start at boot.
    Enable = "enable", Change;
    /// Has it no longer start at boot.
    Disable = "disable", Change;
    /// Has it read its configuration again.
    Reload = "reload", Change;
    /// Says what it is.
    Define = "define", Change;
    /// Gives it a value.
    Set = "set", Change;
    /// Lets its packets in.
    Allow = "allow", Change;
    /// Refuses its packets.
    Deny = "deny", Change;
}

/// A sort of objects that have names.
pub trait Object: 'static {
    /// What an argument of this sort stands for.
    const KIND: Kind;
    /// The first part of the capabilities for it.
    const NAMESPACE: &'static str;

    /// Puts a name into its one form.
    ///
    /// # Errors
    /// What a name of this sort must be, when it is none.
    fn resolve(name: String) -> Result<String, String>;
}

/// The name of an object, and what is done with it.
pub struct Named<O, A> {
    name: String,
    what: PhantomData<fn() -> (O, A)>,
}

impl<O, A> Named<O, A> {
    /// The object of this name; it is resolved like one that a caller named.
    pub fn of(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            what: PhantomData,
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.name
    }
}

impl<O, A> fmt::Display for Named<O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl<O, A> fmt::Debug for Named<O, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.name)
    }
}

impl<O, A> Serialize for Named<O, A> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.name.serialize(to)
    }
}

impl<'de, O, A> Deserialize<'de> for Named<O, A> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Self {
            name: String::deserialize(from)?,
            what: PhantomData,
        })
    }
}

impl<O: Object, A: Action> JsonSchema for Named<O, A> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("{}_{}", O::KIND.name(), A::NAME).into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({"type": "string", KEY: O::KIND.name(), ACCESS: A::ACCESS.name()})
    }
}

impl<O: Object, A: Action> Argument for Named<O, A> {
    fn resolve(&mut self, name: &str, _context: &Context) -> Result<(), ToolError> {
        self.name = O::resolve(std::mem::take(&mut self.name))
            .map_err(|why| ToolError::Invalid(format!("{name}: {why}")))?;
        Ok(())
    }

    fn demand(&self, _name: &str, to: &mut Collector) -> Result<(), ToolError> {
        to.need(O::NAMESPACE, A::NAME, &self.name);
        Ok(())
    }

    fn template(name: &str, to: &mut Collector) {
        to.need(O::NAMESPACE, A::NAME, &format!("{{{name}}}"));
    }

    fn is_needful() -> bool {
        true
    }
}

/// Services of PID 1.
#[derive(Clone, Copy, Debug)]
pub enum Service {}

/// A service, and what is done with it.
pub type ServiceName<A> = Named<Service, A>;

/// The longest name of a service, in bytes, as of a unit file.
const SERVICE_MAX: usize = 64;

impl Object for Service {
    const KIND: Kind = Kind::Service;
    const NAMESPACE: &'static str = "service";

    fn resolve(name: String) -> Result<String, String> {
        // PID 1 knows it without the ending, and what is guarded by name has to be that name.
        let name = match name.strip_suffix(".service") {
            Some(bare) => bare.to_owned(),
            None => name,
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.@".contains(c);
        match (1..=SERVICE_MAX).contains(&name.len()) && name.chars().all(allowed) {
            true => Ok(name),
            false => Err(format!(
                "a name has 1 to {SERVICE_MAX} letters, digits, or any of - _ . @"
            )),
        }
    }
}

/// Whose log is read: a service, `kernel`, or [`LOG_OF_ALL`].
#[derive(Clone, Copy, Debug)]
pub enum Log {}

/// Whose log is read.
pub type LogSource = Named<Log, Logs>;

/// Stands for all services and the kernel.
pub const LOG_OF_ALL: &str = "*";

impl Object for Log {
    const KIND: Kind = Kind::Service;
    const NAMESPACE: &'static str = "service";

    fn resolve(name: String) -> Result<String, String> {
        match name.as_str() {
            LOG_OF_ALL => Ok(name),
            _ => Service::resolve(name),
        }
    }
}

/// Debian packages.
#[derive(Clone, Copy, Debug)]
pub enum Package {}

/// A package, and what is done with it.
pub type PackageName<A> = Named<Package, A>;

/// The longest name of a package, in bytes; Debian's longest has some 80 characters.
const PACKAGE_MAX: usize = 128;

impl Object for Package {
    const KIND: Kind = Kind::Package;
    const NAMESPACE: &'static str = "pkg";

    fn resolve(mut name: String) -> Result<String, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        name.make_ascii_lowercase();
        match (1..=PACKAGE_MAX).contains(&name.len()) && name.chars().all(allowed) {
            true => Ok(name),
            false => Err("a name has letters, digits, and any of + - .".to_owned()),
        }
    }
}

/// Hosts of the network.
#[derive(Clone, Copy, Debug)]
pub enum Host {}

/// A host to connect to, by its name or address.
pub type HostName = Named<Host, Connect>;

/// The longest name of a host, in characters (RFC 1035).
const HOST_MAX: usize = 253;

impl Object for Host {
    const KIND: Kind = Kind::Host;
    const NAMESPACE: &'static str = "net";

    fn resolve(name: String) -> Result<String, String> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
        match (1..=HOST_MAX).contains(&name.len()) && name.chars().all(allowed) {
            true => Ok(name),
            false => Err("must be a name of letters, digits, - and . or an IP address".to_owned()),
        }
    }
}

/// Accounts of this machine.
#[derive(Clone, Copy, Debug)]
pub enum Account {}

/// An account, and what is done with it.
pub type AccountName<A> = Named<Account, A>;

/// Groups of accounts.
#[derive(Clone, Copy, Debug)]
pub enum Group {}

/// A group, and what is done with it.
pub type GroupName<A> = Named<Group, A>;

/// The longest name of an account or group, in bytes (`LOGIN_NAME_MAX` of Linux allows 256, useradd(8) 32).
const ACCOUNT_MAX: usize = 32;

/// Debian's rule for names of accounts and groups: adduser.conf(5), `NAME_REGEX`; names of packages'
/// accounts may begin with an underscore (`SYS_NAME_REGEX`).
fn account(name: String) -> Result<String, String> {
    let begins = |c: char| c.is_ascii_lowercase() || c == '_';
    let allowed = |c: char| begins(c) || c.is_ascii_digit() || c == '-';
    let fits = name.len() <= ACCOUNT_MAX && name.starts_with(begins) && name.chars().all(allowed);
    fits.then_some(name).ok_or_else(|| {
        format!(
            "a name begins with a lower-case letter and has at most {ACCOUNT_MAX} lower-case \
             letters, digits, - and _"
        )
    })
}

impl Object for Account {
    const KIND: Kind = Kind::Account;
    const NAMESPACE: &'static str = "user";

    fn resolve(name: String) -> Result<String, String> {
        account(name)
    }
}

impl Object for Group {
    const KIND: Kind = Kind::Group;
    const NAMESPACE: &'static str = "group";

    fn resolve(name: String) -> Result<String, String> {
        account(name)
    }
}

/// Keys of the node's configuration.
#[derive(Clone, Copy, Debug)]
pub enum Setting {}

/// A key of the node's configuration, and what is done with it.
pub type SettingName<A> = Named<Setting, A>;

/// The longest key, in bytes.
const SETTING_MAX: usize = 128;

impl Object for Setting {
    const KIND: Kind = Kind::Setting;
    const NAMESPACE: &'static str = "config";

    fn resolve(name: String) -> Result<String, String> {
        let word = |word: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || "-_".contains(c);
            !word.is_empty() && word.chars().all(allowed)
        };
        match name.len() <= SETTING_MAX && name.split('.').all(word) {
            true => Ok(name),
            false => Err("must be a key with its table, such as network.dns".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_accounts_follow_debians_rule() {
        let check = |name: &str, fits: bool| {
            assert_eq!(Account::resolve(name.to_owned()).is_ok(), fits, "{name:?}");
        };
        for name in ["ada", "ada-2", "a_b", "_apt", &"a".repeat(32)] {
            check(name, true);
        }
        let long = "a".repeat(33);
        for name in [
            "",
            "Ada",
            "2ada",
            "-ada",
            "ada ",
            "ada:x",
            "ada\nroot",
            "../ada",
            "adä",
            "ada$",
            "a,b",
            &long,
        ] {
            check(name, false);
        }
    }
}
