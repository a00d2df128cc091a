//! Links and the system projections. Never looks at deletion or truncation for their own sake.

use uuid::Uuid;

use super::super::{Expected, Resolved, Store};
use super::{append, event, link, links, metadata, records, shown, text, typed};

#[test]
fn links_lead_one_step_to_what_can_be_read() {
    let store = Store::new();
    append(&store, "src", Expected::NoStream, &[1, 2]);
    append(&store, "at@-x", Expected::NoStream, &[3]);
    append(&store, "gone", Expected::NoStream, &[4]);
    store.delete("gone", Expected::Any).unwrap();
    let targets = [
        "1@src", "0@at@-x", "0@gone", "7@src", "0@never", "rubbish", "0@links", "x@src",
    ];
    let proposed = targets
        .iter()
        .zip(100..)
        .map(|(target, id)| link(id, target))
        .collect();
    store.append("links", Expected::NoStream, proposed).unwrap();
    let found: Vec<String> = store
        .resolve(&records(&store, "links"))
        .iter()
        .map(|resolved| match resolved {
            Resolved::Plain => "plain".to_owned(),
            Resolved::Unparsable => "unparsable".to_owned(),
            Resolved::Link(None) => "absent".to_owned(),
            Resolved::Link(Some(target)) => format!("{}@{}", target.revision, target.stream),
        })
        .collect();
    assert_eq!(
        found,
        [
            "1@src",
            "0@at@-x",
            "absent",
            "absent",
            "absent",
            "unparsable",
            "0@links",
            "unparsable"
        ]
    );
}

#[test]
fn categories_link_what_is_sound() {
    let store = Store::new();
    store
        .append("other", Expected::Any, vec![event(50), link(51, "0@other")])
        .unwrap();
    store
        .append(
            "cat-1",
            Expected::NoStream,
            vec![
                event(1),
                typed(2, "happened", "", true),
                typed(3, "happened", "not json{", true),
                typed(4, "happened", "", false),
                link(5, "1@other"),
                link(6, "0@never"),
                typed(7, "happened", "\u{feff}{}", true),
                typed(8, "$odd", "[1]", true),
            ],
        )
        .unwrap();
    for name in ["nodash", "-none", "$sys-1", "two-dash-es", "last-"] {
        append(&store, name, Expected::Any, &[60]);
    }
    assert_eq!(
        links(&store, "$ce-cat"),
        ["0@cat-1", "3@cat-1", "0@other", "7@cat-1"]
    );
    assert_eq!(links(&store, "$ce-two"), ["0@two-dash-es"]);
    assert_eq!(links(&store, "$ce-last"), ["0@last-"]);
    assert_eq!(links(&store, "$category-cat"), ["cat-1"]);
    assert_eq!(links(&store, "$et-$odd"), ["7@cat-1"]);
    for stream in ["$ce-", "$ce-nodash", "$ce-$sys", "$et-$>"] {
        assert_eq!(
            shown(store.read_forward(stream, 0, 9)),
            "not found",
            "{stream}"
        );
    }
    let copied = &records(&store, "$ce-cat")[2];
    let position = records(&store, "cat-1")[4].position;
    assert_eq!(
        text(&copied.metadata()),
        format!(
            r#"{{"$v":"3:-1:1:4","$c":{position},"$p":{position},"$o":"cat-1","$causedBy":"{}"}}"#,
            Uuid::from_u128(50)
        )
    );
    assert_eq!(
        links(&store, "$$$ce-cat"),
        [r#"{"$acl":{"$r":"$all","$mr":"$all"}}"#]
    );
}

#[test]
fn categories_tell_of_deletions() {
    let store = Store::new();
    for stream in ["cat-soft", "cat-hard"] {
        append(&store, stream, Expected::NoStream, &[1]);
    }
    metadata(&store, "cat-hard", r#"{"mine":1}"#);
    store.delete("cat-soft", Expected::Any).unwrap();
    store.tombstone("cat-hard", Expected::Any).unwrap();
    let ce = records(&store, "$ce-cat");
    let texts: Vec<String> = ce.iter().map(|record| text(&record.data())).collect();
    assert_eq!(
        texts,
        [
            "0@cat-soft",
            "0@cat-hard",
            "0@$$cat-soft",
            "9223372036854775807@cat-hard"
        ]
    );
    for (record, stream) in ce[2..].iter().zip(["cat-soft", "cat-hard"]) {
        let metadata = text(&record.metadata());
        assert!(
            metadata.contains(&format!(r#""$o":"{stream}","$deleted":-1,"$causedBy""#)),
            "{metadata}"
        );
    }
    let targets = store.resolve(&ce[2..]);
    assert!(matches!(&targets[0], Resolved::Link(Some(target)) if &*target.stream == "$$cat-soft"));
    assert!(matches!(&targets[1], Resolved::Link(None)));
    assert_eq!(
        links(&store, "$et-$deleted"),
        ["0@$$cat-soft", "9223372036854775807@cat-hard"]
    );
}

#[test]
fn a_client_that_writes_into_a_category_ends_all_categories() {
    let store = Store::new();
    append(&store, "cat-1", Expected::Any, &[1]);
    append(&store, "$ce-cat", Expected::Any, &[2]);
    append(&store, "other-1", Expected::Any, &[3]);
    append(&store, "cat-1", Expected::Any, &[4]);
    append(&store, "other-1", Expected::Any, &[5]);
    assert_eq!(links(&store, "$ce-cat").len(), 2);
    assert_eq!(links(&store, "$ce-other"), ["0@other-1"]);
    assert_eq!(
        links(&store, "$et-happened").len(),
        4,
        "other projections go on"
    );
}
