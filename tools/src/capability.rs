//! Capabilities: `namespace:action:pattern`.

use std::str::FromStr;

use aios_tool::demand::Need;

/// What a holder may do. In the pattern `*` stands for any run of characters, `/` too; the
/// namespace and the action are exact, or `*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capability {
    namespace: String,
    action: String,
    pattern: String,
}

/// The text is not a capability.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a capability; one reads namespace:action:pattern")]
pub struct NotACapability(String);

impl FromStr for Capability {
    type Err = NotACapability;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let word = |text: &str| {
            text == "*"
                || !text.is_empty() && text.chars().all(|c| c.is_ascii_lowercase() || c == '_')
        };
        match text.splitn(3, ':').collect::<Vec<_>>()[..] {
            [namespace, action, pattern]
                if word(namespace) && word(action) && !pattern.is_empty() =>
            {
                Ok(Self {
                    namespace: namespace.to_owned(),
                    action: action.to_owned(),
                    pattern: pattern.to_owned(),
                })
            }
            _ => Err(NotACapability(text.to_owned())),
        }
    }
}

impl std::fmt::Display for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.namespace, self.action, self.pattern)
    }
}

impl Capability {
    /// The kind of objects: `fs`.
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Does it allow what is needed (`fs:write:/srv/hello.txt`, values resolved)?
    pub fn covers(&self, need: &Need) -> bool {
        let same = |held: &str, needed: &str| held == "*" || held == needed;
        same(&self.namespace, &need.namespace)
            && same(&self.action, &need.action)
            && matches(&self.pattern, &need.object)
    }
}

/// Does the whole value match? `*` is any run of characters; everything else is itself.
pub(crate) fn matches(pattern: &str, value: &str) -> bool {
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = value.strip_prefix(first) else {
        return false;
    };
    let Some(last) = parts.next_back() else {
        return rest.is_empty(); // no star
    };
    for part in parts {
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(text: &str) -> Need {
        let parts: Vec<&str> = text.splitn(3, ':').collect();
        Need::of(parts[0], parts[1], parts[2])
    }

    #[test]
    fn a_pattern_matches_the_whole_value() {
        let check = |pattern: &str, value: &str, expected| {
            assert_eq!(matches(pattern, value), expected, "{pattern} on {value}");
        };
        check("/srv/*", "/srv/hello.txt", true);
        check("/srv/*", "/srv/a/b/c", true);
        check("/srv/*", "/srv", false);
        check("/srv/*", "/srvx/y", false);
        check("/srv/*", "/etc/srv/x", false);
        check("/srv", "/srv", true);
        check("/srv", "/srv/x", false);
        check("*", "", true);
        check("*", "/anything", true);
        check("/a*b*c", "/aXbYc", true);
        check("/a*b*c", "/abc", true);
        check("/a*b*c", "/acb", false);
        check("/a*a", "/a", false);
        check("*.log", "/var/log/x.log", true);
        check("*.log", "/var/log/x.log.gz", false);
        check("a**b", "ab", true);
        check("?", "x", false);
        check("[a-z]", "b", false);
    }

    #[test]
    fn namespace_and_action_are_exact() {
        let check = |capability: &str, need: &str, expected| {
            let capability: Capability = capability.parse().unwrap();
            let need = &self::need(need);
            assert_eq!(capability.covers(need), expected, "{capability} on {need}");
        };
        check("fs:write:/srv/*", "fs:write:/srv/x", true);
        check("fs:write:/srv/*", "fs:read:/srv/x", false);
        check("fs:write:/srv/*", "fsx:write:/srv/x", false);
        check("fs:*:/srv/*", "fs:read:/srv/x", true);
        check("*:*:*", "service:stop:memory", true);
        check("net:connect:[::1]:80", "net:connect:[::1]:80", true);
        check("fs:write:*", "fs:write:", true);
    }

    #[test]
    fn what_is_no_capability_is_refused() {
        for text in [
            "",
            "fs",
            "fs:write",
            "fs:write:",
            ":write:x",
            "Fs:write:x",
            "f s:write:x",
        ] {
            assert!(text.parse::<Capability>().is_err(), "{text:?}");
        }
    }
}
