//! The page at `/`: the report as a person reads it.
//!
//! Plain HTML, nothing loaded from elsewhere; every text from outside is escaped. Never a script.

use std::fmt::Write as _;

use super::report::Report;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem}\
table{border-collapse:collapse;width:100%}th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid #8884}\
td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}.running{color:#0a7d32}.retrying,.connecting{color:#a65a00}\
.stopped{color:#c0122f}@media(prefers-color-scheme:dark){body{background:#16181c;color:#e6e6e6}.running{color:#5bd68a}\
.retrying,.connecting{color:#f0b35a}.stopped{color:#ff7b8f}}";

pub(super) fn render(report: &Report) -> String {
    let mut html = String::with_capacity(4096);
    write_page(&mut html, report).unwrap_or_default();
    html
}

fn write_page(html: &mut String, report: &Report) -> std::fmt::Result {
    write!(
        html,
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
         <meta http-equiv=refresh content=5><title>ditto</title><style>{STYLE}</style>\
         <h1>ditto</h1><p>{}</p><p>{} → {}, version {}, started {}, <a href=/metrics>metrics</a>, \
         <a href=/status>status</a></p>",
        escape(&report.summary),
        escape(&report.source),
        escape(&report.destination),
        escape(&report.version),
        escape(&report.started),
    )?;
    for reason in &report.unhealthy {
        write!(html, "<p class=stopped>{}</p>", escape(reason))?;
    }
    html.push_str(
        "<table><tr><th>stream<th>group<th>state<th class=n>copied<th class=n>lag<th class=n>in flight\
         <th class=n>parked<th class=n>held</tr>",
    );
    for one in &report.subscriptions {
        let lag = one
            .lag_events
            .map_or_else(|| "?".to_owned(), |lag| lag.to_string());
        let parked = one
            .parked
            .map_or_else(|| "?".to_owned(), |parked| parked.to_string());
        write!(
            html,
            "<tr><td>{}<td>{}<td><span class={}>{}</span> {}<td class=n>{}<td class=n>{lag}<td class=n>{}\
             <td class=n>{parked}<td class=n>{}</tr>",
            escape(&one.stream),
            escape(&one.group),
            escape(&one.state),
            escape(&one.state),
            escape(&one.reason),
            one.copied,
            one.in_flight_events,
            one.held,
        )?;
    }
    html.push_str("</table>");
    let held = report
        .subscriptions
        .iter()
        .flat_map(|one| &one.held_streams);
    for (index, stream) in held.enumerate() {
        if index == 0 {
            html.push_str("<h2>Held streams</h2><ul>");
        }
        write!(
            html,
            "<li>{} from #{}: {}",
            escape(&stream.stream),
            stream.revision,
            escape(&stream.text)
        )?;
    }
    Ok(())
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::escape;

    #[test]
    fn text_from_outside_cannot_become_markup() {
        assert_eq!(
            escape("<a href='x'>&\"</a>"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;&lt;/a&gt;"
        );
    }
}
