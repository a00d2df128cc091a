//! ditto
fn main() {}
