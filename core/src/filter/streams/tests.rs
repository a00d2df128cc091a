//! Tables of rules: what they match, cover, and meet.

use super::*;

fn rules(texts: &[&str]) -> Vec<Rule> {
    texts
        .iter()
        .map(|text| Rule::parse(text).unwrap())
        .collect()
}

/// `+` and `-` before each rule; `+*` for every stream.
fn filter(texts: &[&str]) -> StreamFilter {
    let of = |sign: char| -> Vec<&str> {
        texts
            .iter()
            .filter_map(|text| text.strip_prefix(sign))
            .collect()
    };
    let wanted = of('+');
    let wanted = (wanted != ["*"]).then(|| rules(&wanted));
    StreamFilter::new(wanted, rules(&of('-')))
}

#[test]
fn rules_without_meaning_are_refused_by_name() {
    for (text, expected) in [
        ("", Err(NoRule::Empty)),
        ("*", Err(NoRule::Empty)),
        ("a*b", Err(NoRule::Star)),
        ("a**", Err(NoRule::Star)),
        ("$ce-a", Err(NoRule::System)),
        ("$*", Err(NoRule::System)),
        ("a", Ok(Rule::Name("a".into()))),
        ("a-*", Ok(Rule::Beginning("a-".into()))),
    ] {
        assert_eq!(Rule::parse(text), expected, "{text}");
    }
}

#[test]
fn filter_wants_matching_streams_but_excluded_and_system_ones() {
    for (texts, stream, expected) in [
        (&["+*"][..], "a", true),
        (&["+*"], "$a", false),
        (&["+*"], "$$a", false),
        (&["+*", "-b*"], "b", false),
        (&["+*", "-b*"], "ab", true),
        (&["+a-*", "+order-7"], "a-1", true),
        (&["+a-*", "+order-7"], "a", false),
        (&["+a-*", "+order-7"], "order-7", true),
        (&["+a-*", "+order-7"], "order-71", false),
        (&["+a-*", "+order-7"], "A-1", false),
        (&["+a-*", "-a-test-*"], "a-test-1", false),
        (&["+a"], "a\n", false),
    ] {
        let name = StreamName::from(stream);
        assert_eq!(filter(texts).wants(&name), expected, "{texts:?} {stream:?}");
    }
}

#[test]
fn canonical_form_is_sorted_and_without_covered_rules() {
    let text = filter(&["+b", "+a-*", "+a-1", "+a-b-*", "+b", "-a-x", "-a-*"]).to_string();
    assert_eq!(text, "+a-*\n+b\n-a-*");
    assert_eq!(StreamFilter::all().to_string(), "+*");
    for texts in [&["+*"][..], &["+a-*", "+b", "-a-x"], &["+*", "-b*"]] {
        let filter = filter(texts);
        assert_eq!(filter.to_string().parse(), Ok(filter), "{texts:?}");
    }
    for text in ["", "a", "+", "+a*b", "+a\n"] {
        assert_eq!(text.parse::<StreamFilter>(), Err(NoFilter), "{text:?}");
    }
}

#[test]
fn filter_is_within_another_only_if_it_wants_nothing_more() {
    for (ours, theirs, expected) in [
        (&["+a-*"][..], &["+*"][..], true),
        (&["+*"], &["+a-*"], false),
        (&["+a-1"], &["+a-*"], true),
        (&["+a-*"], &["+a-1"], false),
        (&["+a-*", "+b"], &["+a-*"], false),
        (&["+*"], &["+*", "-b*"], false),
        (&["+*", "-b*"], &["+*", "-bc"], true),
        (&["+*", "-bc"], &["+*", "-b*"], false),
        (&["+a-*"], &["+*", "-b*"], true),
        (&["+a-*"], &["+*", "-a-x*"], false),
        (&["+a-*", "-a-x*"], &["+*", "-a-x*"], true),
    ] {
        let found = filter(ours).is_within(&filter(theirs));
        assert_eq!(found, expected, "{ours:?} within {theirs:?}");
    }
}

#[test]
fn filters_meet_where_both_want_the_same_streams() {
    for (ours, theirs, expected) in [
        (&["+a-*"][..], &["+b-*"][..], None),
        (&["+a-*"], &["+*"], Some("a-*")),
        (&["+a-*"], &["+a-b-*"], Some("a-b-*")),
        (&["+a-1"], &["+a-*"], Some("a-1")),
        (&["+a-1"], &["+a-2"], None),
        (&["+*", "-a-*"], &["+a-b-*"], None),
        (&["+*"], &["+a-b-*", "-a-*"], None),
        (&["+*", "-a-b-*"], &["+a-*"], Some("a-*")),
    ] {
        for (ours, theirs) in [(ours, theirs), (theirs, ours)] {
            let found = filter(ours).meets(&filter(theirs));
            let found = found.map(|rule| rule.to_string());
            assert_eq!(found.as_deref(), expected, "{ours:?} and {theirs:?}");
        }
    }
    let category = StreamFilter::category("customer");
    assert!(category.wants(&"customer-1-2".into()));
    assert!(!category.wants(&"customer".into()));
}

#[test]
fn regex_names_wanted_streams_and_their_metadata() {
    for (texts, expected) in [
        (&["+*"][..], r"\A(?:\$\$)?[^$]"),
        (&["+*", "-b*"], r"\A(?:\$\$)?(?!(?:b))[^$]"),
        (&["+a.b-*", "+c"], r"\A(?:\$\$)?(?:a\.b\-|c\z)"),
        (&["+a-*", "-a-#1"], r"\A(?:\$\$)?(?!(?:a\-\#1\z))(?:a\-)"),
    ] {
        assert_eq!(filter(texts).regex(), expected, "{texts:?}");
    }
    let many: Vec<_> = (0..=MOST_RULES_FOR_THE_SERVER)
        .map(|number| Rule::Name(format!("s{number}").into()))
        .collect();
    let many = StreamFilter::new(Some(many), Vec::new());
    assert_eq!(many.regex(), StreamFilter::all().regex());
    assert!(!many.wants(&"other".into()));
}
