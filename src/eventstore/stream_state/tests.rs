use super::*;
use bytes::Bytes;
use ditto_core::port::LogPosition;
use ditto_core::port::state::{ChangeId, Note, SOFT_DELETED};

fn event(data: &str, is_json: bool) -> Event {
    Event {
        id: Uuid::from_u128(1),
        stream: "$$s".into(),
        revision: 3,
        event_type: "$metadata".into(),
        is_json,
        data: Bytes::from(data.to_owned()),
        metadata: Bytes::new(),
        created: 0,
    }
}

#[test]
fn metadata_says_what_the_server_takes_it_for() {
    for (data, truncate_before, rest) in [
        (r#"{"$tb":9223372036854775807}"#, Some(SOFT_DELETED), "{}"),
        (
            r#" { "b" : 1 , "$tb": 0, "a": [ ] } "#,
            Some(0),
            r#"{"a":[],"b":1}"#,
        ),
        (r#"{"$tb":-1,"a":null}"#, None, r#"{"a":null}"#),
        (r#"{"$tb":1,"$tb":2}"#, Some(2), "{}"),
        (
            r#"{"$maxCount":0,"$maxAge":-5}"#,
            None,
            r#"{"$maxAge":-5,"$maxCount":0}"#,
        ),
        (
            r#"{"$acl":{"$r":"$all","$w":["a","b"]},"$tmp":true,"$cacheControl":3}"#,
            None,
            r#"{"$acl":{"$r":"$all","$w":["a","b"]},"$cacheControl":3,"$tmp":true}"#,
        ),
        (
            r#"{"n":[1.50,-0,1E2,1e22,123456789012345678901234567890,0.1,1e999,-1e999,1.0,1]}"#,
            None,
            r#"{"n":[1.5,0,100.0,1e22,123456789012345678901234567890,0.1,"Infinity","-Infinity",1.0,1]}"#,
        ),
        (
            r#"{"\u0061":"\u00e9\/","b":"\ud800"}"#,
            None,
            r#"{"a":"é/","b":"\ud800"}"#,
        ),
        // Nothing, for the server.
        (r#"{"$tb":1.0}"#, None, "{}"),
        (r#"{"$tb":"1"}"#, None, "{}"),
        (r#"{"$tb":null}"#, None, "{}"),
        (r#"{"$tb":9223372036854775808}"#, None, "{}"),
        (r#"{"$tb":1,"$maxCount":"2"}"#, None, "{}"),
        (r#"{"$tb":1,"$tmp":0}"#, None, "{}"),
        (r#"{"$tb":1,"$acl":[]}"#, None, "{}"),
        (r#"{"$tb":1,"$acl":{"$x":"a"}}"#, None, "{}"),
        (r#"{"$tb":1,"$acl":{"$r":[1]}}"#, None, "{}"),
        (r#"{"$tb":1,"$acl":{"$r":null}}"#, None, "{}"),
        (r#"{"$tb":1"#, None, "{}"),
        (r#"[{"$tb":1}]"#, None, "{}"),
        ("", None, "{}"),
    ] {
        let read = metadata(event(data, true));
        assert_eq!(
            (read.truncate_before, &*read.rest),
            (truncate_before, rest),
            "{data}"
        );
        assert_eq!(truncated_before(&read.event), truncate_before, "{data}");
        let unflagged = metadata(event(data, false));
        assert_eq!(
            (unflagged.truncate_before, &*unflagged.rest),
            (None, "{}"),
            "{data}"
        );
    }
}

#[test]
fn the_same_said_in_another_way_is_the_same() {
    let rest = |data: &str| metadata(event(data, true)).rest;
    let deep = |blank: &str| {
        format!(
            "{{\"a\":{}1{}}}",
            "[".repeat(200),
            format!("{blank}]").repeat(200)
        )
    };
    assert_eq!(
        rest(r#"{"a":{"x":1.50,"y":"\n"},"b":2}"#),
        rest("{ \"b\":2,\"a\": {\"y\":\"\\u000a\",\"x\":1.5} }")
    );
    assert_ne!(rest(r#"{"a":1}"#), rest(r#"{"a":"1"}"#));
    // Too deep to be looked into.
    assert_ne!(rest(&deep("")), rest(&deep(" ")));
    let long = |letter: &str| rest(&format!(r#"{{"a":"{}"}}"#, letter.repeat(10_000)));
    assert_eq!(long("x"), long("x"));
    assert_ne!(long("x"), long("y"));
    assert!(long("x").len() < 100, "{}", long("x"));
}

#[test]
fn another_truncation_leaves_everything_else_as_it_is() {
    for (data, before, expected) in [
        (
            r#"{"b":1.50,"$tb":3, "a":[ 1e999 ]}"#,
            Some(7),
            r#"{"b":1.50,"$tb":7,"a":[ 1e999 ]}"#,
        ),
        (r#"{"b":1.50,"$tb":3}"#, None, r#"{"b":1.50}"#),
        (r#"{"$tb":3,"$tb":4}"#, Some(7), r#"{"$tb":7}"#),
        (
            r#"{"a":123456789012345678901234567890}"#,
            Some(0),
            r#"{"a":123456789012345678901234567890,"$tb":0}"#,
        ),
        (r#"{"a":1}"#, None, r#"{"a":1}"#),
        // With these beside it, the server would take it for nothing.
        (r#"{"$maxCount":"2"}"#, Some(7), r#"{"$tb":7}"#),
        ("no json", Some(7), r#"{"$tb":7}"#),
        ("", None, "{}"),
    ] {
        assert_eq!(
            with_truncate_before(data.as_bytes(), before),
            expected,
            "{data}"
        );
    }
}

fn notes() -> [Note; 4] {
    let of = |epoch: Option<Uuid>| ChangeId {
        epoch,
        log: epoch.map(|_| Uuid::from_u128(8)),
        position: LogPosition {
            commit: u64::MAX,
            prepare: 7,
        },
        revision: 5,
    };
    [
        Note {
            of: Some(of(Some(Uuid::from_u128(9)))),
            last: Some(4),
            filled_below: Some(2),
        },
        Note {
            of: Some(of(None)),
            last: Some(0),
            filled_below: None,
        },
        Note {
            of: Some(of(None)),
            ..Note::default()
        },
        Note {
            filled_below: Some(1),
            ..Note::default()
        },
    ]
}

#[test]
fn what_is_noted_is_read_again() {
    for written in notes() {
        assert_eq!(note(&noted(&written)).as_ref(), Some(&written));
    }
}

#[test]
fn a_note_is_read_beside_what_is_not_known_and_only_if_it_says_something() {
    let fill = Some(Note {
        filled_below: Some(2),
        ..Note::default()
    });
    for (text, expected) in [
        (r#"{"$ditto":{"fill":2,"later":[1]},"mine":1}"#, fill),
        (r#"{"$ditto":{"position":[1,2],"last":3}}"#, None),
        (r#"{"$ditto":{"position":[1],"revision":3}}"#, None),
        (r#"{"$ditto":{"revision":"3"}}"#, None),
        (r#"{"$ditto":{}}"#, None),
        (r#"{"$ditto":null}"#, None),
        (r#"{"$correlationId":"1"}"#, None),
        ("", None),
    ] {
        assert_eq!(note(text.as_bytes()), expected, "{text}");
    }
}

#[test]
fn a_change_is_written_with_the_sources_bytes_and_the_note() {
    let [note_of, ..] = notes();
    let source = event(r#"{ "a":1, "$tb":5 }"#, true);
    let change = |event: &Event, truncate_before| {
        let note = note_of.clone();
        let written = changed(
            &"t".into(),
            Change {
                event: event.clone(),
                truncate_before,
                note,
            },
        );
        assert_eq!((written.id, written.stream.as_str()), (source.id, "$$t"));
        assert_eq!(note_again(&written), Some(note_of.clone()));
        (
            written.is_json,
            String::from_utf8(written.data.to_vec()).unwrap(),
        )
    };
    assert_eq!(
        change(&source, None),
        (true, r#"{ "a":1, "$tb":5 }"#.to_owned())
    );
    assert_eq!(
        change(&source, Some(Some(6))),
        (true, r#"{"a":1,"$tb":6}"#.to_owned())
    );
    assert_eq!(change(&source, Some(None)), (true, r#"{"a":1}"#.to_owned()));
    let binary = event(r#"{"a":1}"#, false);
    assert_eq!(change(&binary, None), (false, r#"{"a":1}"#.to_owned()));
    assert_eq!(
        change(&binary, Some(Some(6))),
        (true, r#"{"$tb":6}"#.to_owned())
    );
}

fn note_again(event: &Event) -> Option<Note> {
    note(&event.metadata)
}
