//! Who calls, and what they may do, when users must log in (protocol §5.3, §10).
//!
//! No security: passwords are compared as they are, and without users everybody may do everything.

use std::sync::{Arc, PoisonError, RwLock};

use hyper::header::{AUTHORIZATION, HeaderMap, HeaderValue};

use crate::options::User;
use crate::store::{Acl, Store};

const ADMINS: &str = "$admins";
const OPERATORS: &str = "$ops";
const EVERYBODY: &str = "$all";

/// The users of a server.
#[derive(Debug)]
pub(crate) struct Users {
    all: RwLock<Option<Arc<Vec<User>>>>,
}

/// Who calls.
#[derive(Clone, Debug, Default)]
pub(crate) enum Identity {
    /// Nobody needs to log in.
    #[default]
    Open,
    /// Somebody who did not log in where others do.
    Anonymous,
    /// A user.
    User(Arc<User>),
}

/// Wrong name or password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unauthenticated;

/// What somebody wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access<'a> {
    Read(&'a str),
    Write(&'a str),
    Delete(&'a str),
    /// Read `$all`.
    ReadAll,
    /// Make, change, delete, replay or restart groups.
    ManageGroups,
    /// See the state of groups.
    SeeGroups,
}

impl Users {
    pub(crate) fn new(users: Option<Vec<User>>) -> Self {
        Self {
            all: RwLock::new(users.map(Arc::new)),
        }
    }

    pub(crate) fn set(&self, users: Option<Vec<User>>) {
        *self.all.write().unwrap_or_else(PoisonError::into_inner) = users.map(Arc::new);
    }

    pub(crate) fn identify(
        &self,
        headers: &HeaderMap<HeaderValue>,
    ) -> Result<Identity, Unauthenticated> {
        let users = self
            .all
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let Some(users) = users else {
            return Ok(Identity::Open);
        };
        let Some(header) = headers.get(AUTHORIZATION) else {
            return Ok(Identity::Anonymous);
        };
        let (name, password) = header
            .to_str()
            .ok()
            .and_then(credentials)
            .ok_or(Unauthenticated)?;
        let user = users
            .iter()
            .find(|user| user.name == name && user.password == password);
        user.map(|user| Identity::User(Arc::new(user.clone())))
            .ok_or(Unauthenticated)
    }
}

impl Identity {
    /// Whether they may do that.
    pub(crate) fn may(&self, access: Access<'_>, store: &Store) -> bool {
        let user = match self {
            Self::Open => return true,
            // The real server allows anonymous access to streams only if it is configured so.
            Self::Anonymous => return false,
            Self::User(user) => user,
        };
        if user.groups.iter().any(|group| group == ADMINS) {
            return true;
        }
        match access {
            Access::ManageGroups => user.groups.iter().any(|group| group == OPERATORS),
            Access::SeeGroups => true,
            Access::ReadAll => false,
            Access::Read(stream) => allowed(
                user,
                store,
                stream,
                |acl| &acl.read,
                |acl| &acl.read_metadata,
            ),
            Access::Write(stream) => allowed(
                user,
                store,
                stream,
                |acl| &acl.write,
                |acl| &acl.write_metadata,
            ),
            Access::Delete(stream) => {
                !stream.starts_with("$$")
                    && allowed(user, store, stream, |acl| &acl.delete, |acl| &acl.delete)
            }
        }
    }
}

/// Judges by the stream's own list or, without one, by the kind of stream.
fn allowed(
    user: &User,
    store: &Store,
    stream: &str,
    own: impl Fn(&Acl) -> &Option<Vec<String>>,
    of_metadata: impl Fn(&Acl) -> &Option<Vec<String>>,
) -> bool {
    let of = stream.strip_prefix("$$");
    let metadata = store.metadata(of.unwrap_or(stream));
    let roles = metadata.acl.as_ref().and_then(|acl| match of {
        Some(_) => of_metadata(acl).as_ref(),
        None => own(acl).as_ref(),
    });
    match roles {
        Some(roles) => roles
            .iter()
            .any(|role| role == EVERYBODY || *role == user.name || user.groups.contains(role)),
        None => !of.unwrap_or(stream).starts_with('$'),
    }
}

/// Name and password of a Basic authorization.
fn credentials(header: &str) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let text = String::from_utf8(base64(encoded.trim())?).ok()?;
    let (name, password) = text.split_once(':')?;
    Some((name.to_owned(), password.to_owned()))
}

/// Decodes base64 in its usual alphabet, with or without padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() * 3 / 4);
    let (mut bits, mut count) = (0_u32, 0);
    for character in text.trim_end_matches('=').bytes() {
        let value = match character {
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xff).ok()?);
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Expected;

    fn user(name: &str, groups: &[&str]) -> Identity {
        Identity::User(Arc::new(User {
            name: name.to_owned(),
            password: String::new(),
            groups: groups.iter().map(|&group| group.to_owned()).collect(),
        }))
    }

    #[test]
    fn credentials_are_read_from_the_header() {
        let pair = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (header, expected) in [
            ("Basic YWRtaW46Y2hhbmdlaXQ=", pair("admin", "changeit")),
            ("basic YTpiOmM", pair("a", "b:c")),
            ("Basic w7w6w58=", pair("ü", "ß")),
            ("Bearer YTpi", None),
            ("Basic ?", None),
            ("Basic", None),
        ] {
            assert_eq!(credentials(header), expected, "{header}");
        }
    }

    #[test]
    fn access_follows_the_streams_lists() {
        let store = Store::new();
        let list = |stream: &str, acl: &str| {
            let event = Store::json_event("$metadata", format!(r#"{{"$acl":{acl}}}"#));
            store
                .append(&format!("$${stream}"), Expected::Any, vec![event])
                .unwrap();
        };
        list("mine", r#"{"$r":"ann","$w":["writers"],"$mw":"ann"}"#);
        list("$ce-open", r#"{"$r":"$all"}"#);
        let (ann, bob) = (user("ann", &[]), user("bob", &["writers"]));
        let (admin, ops) = (user("admin", &[ADMINS]), user("ops", &[OPERATORS]));
        for (who, access, expected) in [
            (&Identity::Open, Access::ReadAll, true),
            (&Identity::Anonymous, Access::Read("plain"), false),
            (&ann, Access::Read("plain"), true),
            (&ann, Access::Read("mine"), true),
            (&bob, Access::Read("mine"), false),
            (&bob, Access::Write("mine"), true),
            (&ann, Access::Write("mine"), false),
            (&ann, Access::Write("$$mine"), true),
            (&bob, Access::Write("$$mine"), false),
            (&bob, Access::Read("$ce-open"), true),
            (&bob, Access::Read("$ce-closed"), false),
            (&bob, Access::Delete("$$mine"), false),
            (&bob, Access::ReadAll, false),
            (&admin, Access::ReadAll, true),
            (&ops, Access::ManageGroups, true),
            (&bob, Access::ManageGroups, false),
            (&bob, Access::SeeGroups, true),
        ] {
            assert_eq!(who.may(access, &store), expected, "{who:?} {access:?}");
        }
    }
}
