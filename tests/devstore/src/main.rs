//! devstore
fn main() {}
