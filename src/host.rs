//! The name of the machine, for those who read a server's list of connections or a line of the log elsewhere.
//!
//! Never asks the network.

/// The kernel shows it here; the package's unit hides that, and then the file that it was set from has to do.
const PLACES: [&str; 2] = ["/proc/sys/kernel/hostname", "/etc/hostname"];

/// `None` where nothing tells it.
pub(crate) fn name() -> Option<String> {
    let texts = PLACES
        .iter()
        .filter_map(|place| std::fs::read_to_string(place).ok());
    texts.filter_map(|text| first_name(&text)).next()
}

fn first_name(text: &str) -> Option<String> {
    let mut lines = text.lines().map(str::trim);
    let name = lines.find(|line| !line.is_empty() && !line.starts_with('#'))?;
    Some(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_the_first_line_that_is_no_comment() {
        for (text, name) in [
            ("a.example.net\n", Some("a.example.net")),
            ("# static\n\n b \n", Some("b")),
            ("", None),
            ("# nothing\n", None),
        ] {
            assert_eq!(first_name(text).as_deref(), name, "{text:?}");
        }
    }
}
