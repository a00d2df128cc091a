//! Sections, keys and remarks of the `ditto.toml` to be, as values.
//!
//! Never decides what stands in them.

/// A section of the file.
#[derive(Debug, Default)]
pub(super) struct Section {
    /// Such as `[source]`.
    pub(super) title: &'static str,
    /// False: as comments, because ditto could not do it.
    pub(super) is_active: bool,
    pub(super) remarks: Vec<Remark>,
    pub(super) settings: Vec<Setting>,
}

/// A key of it.
#[derive(Debug)]
pub(super) struct Setting {
    pub(super) key: &'static str,
    pub(super) value: toml::Value,
    /// False: as a comment, because what the original said would not be wise.
    pub(super) is_active: bool,
    pub(super) remarks: Vec<Remark>,
}

/// What an operator should read about a setting.
#[derive(Debug)]
pub(super) struct Remark {
    /// The original's key.
    pub(super) about: String,
    pub(super) text: String,
}

impl Section {
    pub(super) fn new(title: &'static str) -> Self {
        Self {
            title,
            is_active: true,
            ..Self::default()
        }
    }

    /// True if there is nothing to say.
    pub(super) fn is_empty(&self) -> bool {
        self.settings.is_empty() && self.remarks.is_empty()
    }

    /// True if the key is there and counts.
    pub(super) fn sets(&self, key: &str) -> bool {
        let counts = |setting: &&Setting| setting.is_active && setting.key == key;
        self.settings.iter().any(|setting| counts(&setting))
    }

    pub(super) fn remark(&mut self, about: &str, text: impl Into<String>) {
        self.remarks.push(Remark {
            about: about.to_owned(),
            text: text.into(),
        });
    }

    pub(super) fn set(&mut self, key: &'static str, value: impl Into<toml::Value>) -> &mut Setting {
        let setting = Setting {
            key,
            value: value.into(),
            is_active: true,
            remarks: Vec::new(),
        };
        let at = self.settings.len();
        self.settings.push(setting);
        &mut self.settings[at]
    }
}

impl Setting {
    pub(super) fn remark(&mut self, about: &str, text: impl Into<String>) -> &mut Self {
        self.remarks.push(Remark {
            about: about.to_owned(),
            text: text.into(),
        });
        self
    }

    pub(super) fn comment_out(&mut self) {
        self.is_active = false;
    }
}
