//! The customers of the demo. Never the same streams or ids twice: a second run on kept servers adds ten more.

use anyhow::Result;
use ditto_protocol::shared::Empty;
use ditto_protocol::streams::append_req::options::ExpectedStreamRevision;
use serde_json::{Value, json};
use support::store::{Proposed, Store, json_message};
use uuid::Uuid;

const CUSTOMERS: [(&str, &str, &str); 10] = [
    ("Ada", "Lovelace", "+44 20 7946 0101"),
    ("Zoë", "Čapek", "+420 601 000 102"),
    ("Grace", "Hopper", "+1 202 555 0103"),
    ("Łukasz", "Żak", "+48 22 000 0104"),
    ("Emmy", "Noether", "+49 30 901820105"),
    ("小林", "さくら", "+81 3 0000 0106"),
    ("Alan", "Turing", "+44 161 496 0107"),
    ("Søren", "Ångström", "+45 70 00 01 08"),
    ("Mary", "O'Brien", "+353 20 910 0109"),
    ("Niklaus", "Wirth", "+41 44 000 01 10"),
];

/// Types of a customer's events, in order.
const TYPES: [&str; 3] = [
    "customer_registered",
    "customer_phone_number_changed",
    "customer_renamed",
];

/// Writes three events for each of ten customers, all first events before all second ones, so that the streams
/// interleave in the category as they would in real life. Returns the number of events.
pub(crate) async fn seed(source: &Store) -> Result<usize> {
    let streams = CUSTOMERS.map(|customer| (format!("customer-{}", Uuid::new_v4()), customer));
    for (revision, event_type) in (0_u64..).zip(TYPES) {
        let expected = match revision.checked_sub(1) {
            None => ExpectedStreamRevision::NoStream(Empty {}),
            Some(last) => ExpectedStreamRevision::Revision(last),
        };
        for (stream, customer) in &streams {
            let data = data(event_type, *customer);
            let message = json_message(
                Uuid::new_v4(),
                event_type,
                &data,
                &json!({"source": "ditto"}),
            );
            source
                .append(Proposed {
                    stream: stream.clone(),
                    expected,
                    messages: vec![message],
                })
                .await?;
        }
    }
    Ok(CUSTOMERS.len() * TYPES.len())
}

fn data(event_type: &str, (first_name, last_name, phone_number): (&str, &str, &str)) -> Value {
    match event_type {
        "customer_phone_number_changed" => {
            json!({"phone_number": format!("{phone_number} ext. 1")})
        }
        "customer_renamed" => json!({"last_name": format!("{last_name}-{first_name}")}),
        _ => {
            json!({"first_name": first_name, "last_name": last_name, "phone_number": phone_number})
        }
    }
}
