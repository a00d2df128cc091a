//! `ditto manual`: the commands and their options as a part of ditto(8), which the package is built with.
//!
//! Hidden from help. Never writes the rest of the page, which is `packaging/man/ditto.8.in`.

use clap::{Arg, Command};
use roff::{Inline, Roff, bold, italic, roman};

use super::Exit;

pub(super) fn run(mut command: Command) -> Exit {
    // Gives each command its full name, and the options that all have.
    command.build();
    let mut page = Roff::new();
    for subcommand in command.get_subcommands() {
        describe(&mut page, subcommand);
    }
    super::output::print(page.to_roff().trim_end());
    Exit::Ok
}

fn describe(page: &mut Roff, command: &Command) {
    if command.is_hide_set() || command.get_name() == "help" {
        return;
    }
    let name = command.get_bin_name().unwrap_or(command.get_name());
    let about = command.get_long_about().or_else(|| command.get_about());
    if command.has_subcommands() {
        for subcommand in command.get_subcommands() {
            describe(page, subcommand);
        }
        return;
    }
    page.control("SS", [format!("{name}{}", positionals(command)).as_str()]);
    if let Some(about) = about {
        page.text([roman(sentence(&about.to_string()))]);
    }
    let arguments = command.get_arguments();
    for argument in arguments.filter(|argument| !argument.is_hide_set()) {
        page.control("TP", []);
        page.text(name_of(argument));
        page.text([roman(help_of(argument))]);
    }
}

/// What follows the command's name on its line.
fn positionals(command: &Command) -> String {
    command.get_positionals().fold(String::new(), |line, one| {
        let name = value_name(one);
        if one.is_required_set() {
            format!("{line} {name}")
        } else {
            format!("{line} [{name}]")
        }
    })
}

fn name_of(argument: &Arg) -> Vec<Inline> {
    let mut name = Vec::new();
    if let Some(short) = argument.get_short() {
        name.extend([bold(format!("-{short}")), roman(", ")]);
    }
    if let Some(long) = argument.get_long() {
        name.push(bold(format!("--{long}")));
    }
    if argument.is_positional() || argument.get_action().takes_values() {
        if !argument.is_positional() {
            name.push(roman(" "));
        }
        name.push(italic(value_name(argument)));
    }
    name
}

fn value_name(argument: &Arg) -> String {
    let names = argument.get_value_names().unwrap_or_default();
    names.first().map_or_else(
        || argument.get_id().as_str().to_uppercase(),
        ToString::to_string,
    )
}

fn help_of(argument: &Arg) -> String {
    let help = argument.get_long_help().or_else(|| argument.get_help());
    let mut text = sentence(&help.map(ToString::to_string).unwrap_or_default());
    let words: Vec<_> = argument
        .get_possible_values()
        .iter()
        .map(|value| value.get_name().to_owned())
        .collect();
    // Whether a flag is true or false is no choice of words.
    if argument.get_action().takes_values() && !words.is_empty() {
        text.push_str(&format!(" One of {}.", words.join(", ")));
    }
    let defaults = argument.get_default_values();
    if argument.get_action().takes_values()
        && let [default] = defaults
    {
        text.push_str(&format!(" Default: {}.", default.to_string_lossy()));
    }
    text.trim_start().to_owned()
}

/// With the full stop that clap takes off.
fn sentence(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() || text.ends_with('.') {
        text.to_owned()
    } else {
        format!("{text}.")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(command: Command) -> String {
        let mut command = command;
        command.build();
        let mut page = Roff::new();
        for subcommand in command.get_subcommands() {
            describe(&mut page, subcommand);
        }
        page.to_roff()
    }

    #[test]
    fn commands_options_words_and_defaults_are_named() {
        let status = Command::new("status")
            .about("How it is.")
            .arg(
                Arg::new("file")
                    .long("config")
                    .short('c')
                    .help("A file.")
                    .default_value("/x"),
            )
            .arg(
                Arg::new("wait")
                    .long("wait")
                    .value_parser(["ready", "idle"])
                    .help("Until then"),
            )
            .arg(Arg::new("shell").required(true));
        let list = Command::new("parked").subcommand(Command::new("list").about("What is there"));
        let hidden = Command::new("secret").hide(true);
        let page = page(Command::new("ditto").subcommands([status, list, hidden]));
        for expected in [
            ".SS \"ditto status SHELL\"\nHow it is.\n",
            "\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR\nA file. Default: /x.\n",
            "\\fB\\-\\-wait\\fR \\fIWAIT\\fR\nUntil then. One of ready, idle.\n",
            ".SS \"ditto parked list\"\nWhat is there.\n",
        ] {
            assert!(page.contains(expected), "{expected} in {page}");
        }
        assert!(
            !page.contains("secret") && !page.contains("help help"),
            "{page}"
        );
    }
}
