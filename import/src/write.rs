//! The text of a `ditto.toml`, with its remarks as comments.
//!
//! Never decides what stands in it.

use super::Imported;
use super::original::Original;
use super::section::{Remark, Section, Setting};
use ditto_values::problem::one_line;

const WIDTH: usize = 116;

/// Writes the whole of it; `unread` are keys of the original's that nobody asked for.
pub(super) fn write(original: Original, unread: &[String]) -> Imported {
    let mut text = Text::default();
    text.comment(
        "Made by `ditto import`. Where something has no counterpart or another meaning, a comment in front of it begins with \
         the original's key. Look at them, then `ditto check`, then `ditto check --connect`, and only then start ditto. \
         ditto.toml(5) explains every key.",
    );
    for section in &original.sections {
        if !section.is_empty() {
            text.section(section);
        }
    }
    if !unread.is_empty() {
        text.line("");
        text.remark(&Remark {
            about: unread.join(", "),
            text: "unknown to the original, and left out".to_owned(),
        });
    }
    Imported {
        configuration: text.text,
        secrets: original.secrets,
        remarks: text.remarks,
    }
}

#[derive(Default)]
struct Text {
    text: String,
    remarks: Vec<String>,
}

impl Text {
    fn section(&mut self, section: &Section) {
        self.line("");
        for remark in &section.remarks {
            self.remark(remark);
        }
        let mark = if section.is_active { "" } else { "#" };
        self.line(&format!("{mark}{}", section.title));
        for setting in &section.settings {
            for remark in &setting.remarks {
                self.remark(remark);
            }
            self.setting(setting, section.is_active);
        }
    }

    fn setting(&mut self, setting: &Setting, is_active: bool) {
        let mark = if is_active && setting.is_active {
            ""
        } else {
            "#"
        };
        self.line(&format!("{mark}{} = {}", setting.key, setting.value));
    }

    fn remark(&mut self, remark: &Remark) {
        // A key of the original may hold anything, a comment and a terminal must not.
        let text = one_line(&format!("{}: {}", remark.about, remark.text));
        self.comment(&text);
        self.remarks.push(text);
    }

    /// Breaks lines between words only.
    fn comment(&mut self, text: &str) {
        let mut line = "#".to_owned();
        for word in text.split_whitespace() {
            if line.len() > 1 && line.chars().count() + 1 + word.chars().count() > WIDTH {
                self.line(&line);
                line = "#".to_owned();
            }
            line.push(' ');
            line.push_str(word);
        }
        self.line(&line);
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line);
        self.text.push('\n');
    }
}
