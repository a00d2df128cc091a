//! Where faults strike, how often, and how they are written. Never starts a server.

use std::time::Duration;

use super::{Fault, FaultKind, Faults, Place, Point};

#[test]
fn faults_strike_where_and_as_often_as_asked() {
    let append = |stream| Place {
        call: "Streams/Append",
        stream: Some(stream),
        node: 0,
    };
    let unavailable = || Fault::new(FaultKind::Unavailable);
    for (fault, places, expected) in [
        (
            unavailable(),
            vec![append("a"), append("b")],
            vec![true, true],
        ),
        (
            unavailable().times(1),
            vec![append("a"), append("a")],
            vec![true, false],
        ),
        (
            unavailable().after(1),
            vec![append("a"), append("a")],
            vec![false, true],
        ),
        (
            unavailable().on_stream("b"),
            vec![append("a"), append("b")],
            vec![false, true],
        ),
        (
            unavailable().in_call("Append"),
            vec![append("a")],
            vec![true],
        ),
        (
            unavailable().in_call("Streams/Append"),
            vec![append("a")],
            vec![true],
        ),
        (
            unavailable().in_call("Read"),
            vec![append("a")],
            vec![false],
        ),
        (unavailable().on_node(1), vec![append("a")], vec![false]),
        (
            unavailable().lasting(Duration::ZERO),
            vec![append("a")],
            vec![false],
        ),
    ] {
        let faults = Faults::default();
        let id = faults.add(fault.clone());
        let struck: Vec<bool> = places
            .iter()
            .map(|&place| faults.strike(Point::Call, place).is_some())
            .collect();
        assert_eq!(struck, expected, "{fault:?}");
        let count = expected.iter().filter(|&&struck| struck).count();
        assert_eq!(faults.struck(id), u32::try_from(count).ok());
        assert!(
            faults.strike(Point::Write, places[0]).is_none(),
            "only at its own point"
        );
        assert!(faults.remove(id) && faults.list().is_empty());
    }
}

#[test]
fn faults_read_as_they_are_written() {
    for text in [
        r#"{"fault":"unavailable","spare":0}"#,
        r#"{"fault":{"slow_append":{"ms":50}},"times":2,"spare":1,"lasts_ms":9,"call":"Append","stream":"s","node":1}"#,
        r#"{"fault":{"not_leader":{"host":"h","port":1}},"spare":0}"#,
    ] {
        let fault: Fault = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&fault).unwrap(), text);
    }
    assert!(serde_json::from_str::<Fault>(r#"{"fault":"unavailable","time":1}"#).is_err());
}
