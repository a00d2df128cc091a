//! Which streams are wanted: names and beginnings of names, and exclusions.
//!
//! One value decides everywhere: what the server is asked for, what is copied, what `verify` compares, and whether two
//! configured copies would meet. Does no I/O. System streams are never wanted.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::event::StreamName;

/// With more rules than this the server is only asked to leave out its own streams: longer filters cost it more than they
/// save (protocol §15.7).
const MOST_RULES_FOR_THE_SERVER: usize = 200;

/// A stream's name, or the beginning of names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// Every stream whose name begins so.
    Beginning(Arc<str>),
    /// The stream of this name.
    Name(Arc<str>),
}

/// Why a text is no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRule {
    /// It is empty, or `*` alone, which every stream would match.
    Empty,
    /// It has a `*` elsewhere than at its end.
    Star,
    /// It names the server's own streams.
    System,
}

/// The text is not the canonical form of a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoFilter;

impl fmt::Display for NoRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "it matches every stream; leave the key out instead",
            Self::Star => "a * is only allowed at the end",
            Self::System => "system streams are never copied",
        })
    }
}

impl Rule {
    /// Reads a rule: a name, or a beginning and `*`.
    ///
    /// # Errors
    /// The text is no rule.
    pub fn parse(text: &str) -> Result<Self, NoRule> {
        let beginning = text.strip_suffix('*');
        let name = beginning.unwrap_or(text);
        if name.is_empty() {
            Err(NoRule::Empty)
        } else if name.contains('*') {
            Err(NoRule::Star)
        } else if name.starts_with('$') {
            Err(NoRule::System)
        } else if beginning.is_some() {
            Ok(Self::Beginning(name.into()))
        } else {
            Ok(Self::Name(name.into()))
        }
    }

    fn matches(&self, name: &str) -> bool {
        match self {
            Self::Beginning(beginning) => name.starts_with(&**beginning),
            Self::Name(exact) => name == &**exact,
        }
    }

    /// Whether it matches everything that the other one matches.
    fn covers(&self, other: &Self) -> bool {
        match (self, other) {
            (_, Self::Name(name)) => self.matches(name),
            (Self::Beginning(ours), Self::Beginning(theirs)) => theirs.starts_with(&**ours),
            (Self::Name(_), Self::Beginning(_)) => false,
        }
    }

    /// What both match: of two rules that meet, one covers the other.
    fn meet<'a>(&'a self, other: &'a Self) -> Option<&'a Self> {
        if self.covers(other) {
            Some(other)
        } else {
            other.covers(self).then_some(self)
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Beginning(beginning) => write!(f, "{beginning}*"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// The streams that are wanted, in canonical form: sorted, without rules that another one covers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StreamFilter {
    /// `None`: every stream that is not the system's.
    wanted: Option<Vec<Rule>>,
    excluded: Vec<Rule>,
}

impl StreamFilter {
    /// Every stream that is not the system's.
    #[must_use]
    pub fn all() -> Self {
        Self::new(None, Vec::new())
    }

    /// The streams that these rules match (`None`: every one), but for those that are excluded.
    #[must_use]
    pub fn new(wanted: Option<Vec<Rule>>, excluded: Vec<Rule>) -> Self {
        Self {
            wanted: wanted.map(canonical),
            excluded: canonical(excluded),
        }
    }

    /// The streams of a category: what `$by_category` links with the server's default separator (protocol §6.2).
    #[must_use]
    pub fn category(category: &str) -> Self {
        let beginning = Rule::Beginning(format!("{category}-").into());
        Self::new(Some(vec![beginning]), Vec::new())
    }

    /// Rules of the streams that are wanted; `None`: every one that is not the system's.
    #[must_use]
    pub fn wanted(&self) -> Option<&[Rule]> {
        self.wanted.as_deref()
    }

    /// Rules of the streams that are not wanted all the same.
    #[must_use]
    pub fn excluded(&self) -> &[Rule] {
        &self.excluded
    }

    /// Whether the events of this stream are wanted. Servers compare beginnings by culture: their word is not enough.
    #[must_use]
    pub fn wants(&self, stream: &StreamName) -> bool {
        let name = stream.as_str();
        let matches = |rules: &[Rule]| rules.iter().any(|rule| rule.matches(name));
        !stream.is_system() && self.wanted().is_none_or(matches) && !matches(&self.excluded)
    }

    /// Whether it wants no stream that the other one does not want. In doubt false.
    #[must_use]
    pub fn is_within(&self, wider: &Self) -> bool {
        let everything = [Rule::Beginning("".into())];
        let wanted = self.wanted().unwrap_or(&everything);
        let within = match wider.wanted() {
            None => true,
            Some(theirs) => covered(wanted, theirs),
        };
        // What the wider one leaves out, this one must leave out as well, or not want at all.
        within
            && wider.excluded.iter().all(|theirs| {
                wanted
                    .iter()
                    .filter_map(|ours| ours.meet(theirs))
                    .all(|both| self.excluded.iter().any(|excluded| excluded.covers(both)))
            })
    }

    /// A rule whose streams both want, if there is one: the place where two copies would meet.
    #[must_use]
    pub fn meets(&self, other: &Self) -> Option<Rule> {
        let everything = [Rule::Beginning("".into())];
        let (ours, theirs) = (
            self.wanted().unwrap_or(&everything),
            other.wanted().unwrap_or(&everything),
        );
        ours.iter()
            .flat_map(|ours| theirs.iter().filter_map(|theirs| ours.meet(theirs)))
            .find(|both| {
                let mut excluded = self.excluded.iter().chain(&other.excluded);
                !excluded.any(|rule| rule.covers(both))
            })
            .cloned()
    }

    /// A regular expression for the server's filter on stream names: it matches every wanted stream and its metadata
    /// stream. Written for .NET, where `$` would match before a final newline (protocol §15.6).
    #[must_use]
    pub fn regex(&self) -> String {
        let wanted = self.wanted().unwrap_or_default();
        if wanted.len() + self.excluded.len() > MOST_RULES_FOR_THE_SERVER {
            return Self::all().regex();
        }
        let without = match alternatives(&self.excluded) {
            None => String::new(),
            Some(excluded) => format!("(?!{excluded})"),
        };
        match alternatives(wanted) {
            None => format!(r"\A(?:\$\$)?{without}[^$]"),
            Some(wanted) => format!(r"\A(?:\$\$)?{without}{wanted}"),
        }
    }
}

/// The canonical form, one rule a line: `+customer-*` for wanted, `-customer-test-*` for excluded ones, `+*` for all.
impl fmt::Display for StreamFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.wanted() {
            None => f.write_str("+*")?,
            Some(wanted) => lines(f, '+', wanted)?,
        }
        if !self.excluded.is_empty() {
            f.write_str("\n")?;
        }
        lines(f, '-', &self.excluded)
    }
}

impl FromStr for StreamFilter {
    type Err = NoFilter;

    /// Reads the canonical form.
    fn from_str(text: &str) -> Result<Self, NoFilter> {
        let (mut wanted, mut excluded, mut all) = (Vec::new(), Vec::new(), false);
        for line in text.split('\n') {
            if line == "+*" {
                all = true;
            } else if let Some(rule) = line.strip_prefix('+') {
                wanted.push(Rule::parse(rule).map_err(|_| NoFilter)?);
            } else if let Some(rule) = line.strip_prefix('-') {
                excluded.push(Rule::parse(rule).map_err(|_| NoFilter)?);
            } else {
                return Err(NoFilter);
            }
        }
        Ok(Self::new((!all).then_some(wanted), excluded))
    }
}

/// A regular expression for the server's filter that matches this stream's name and no other.
#[must_use]
pub fn name_regex(stream: &StreamName) -> String {
    format!(r"\A{}\z", escaped(stream.as_str()))
}

fn lines(f: &mut fmt::Formatter<'_>, sign: char, rules: &[Rule]) -> fmt::Result {
    for (at, rule) in rules.iter().enumerate() {
        let end = if at == 0 { "" } else { "\n" };
        write!(f, "{end}{sign}{rule}")?;
    }
    Ok(())
}

fn canonical(mut rules: Vec<Rule>) -> Vec<Rule> {
    rules.sort();
    rules.dedup();
    let all = rules.clone();
    rules.retain(|rule| !all.iter().any(|other| other != rule && other.covers(rule)));
    rules
}

fn covered(narrower: &[Rule], wider: &[Rule]) -> bool {
    narrower
        .iter()
        .all(|rule| wider.iter().any(|other| other.covers(rule)))
}

fn alternatives(rules: &[Rule]) -> Option<String> {
    let each: Vec<_> = rules
        .iter()
        .map(|rule| match rule {
            Rule::Beginning(beginning) => escaped(beginning),
            Rule::Name(name) => format!(r"{}\z", escaped(name)),
        })
        .collect();
    (!each.is_empty()).then(|| format!("(?:{})", each.join("|")))
}

/// Every character that means something in a .NET regular expression, or may, behind a backslash.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut regex, character| {
        if r"\*+?|{}[]()^$.# -".contains(character) {
            regex.push('\\');
        }
        regex.push(character);
        regex
    })
}

#[cfg(test)]
mod tests;
