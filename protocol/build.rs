//! Compiles `proto/` with protox, so that a build needs no protoc. Never touches anything outside `OUT_DIR`.

use std::error::Error;

const FILES: [&str; 7] = [
    "shared.proto",
    "status.proto",
    "streams.proto",
    "persistent.proto",
    "gossip.proto",
    "projections.proto",
    "serverfeatures.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=proto");
    let descriptors = protox::compile(FILES, ["proto"])?;
    tonic_prost_build::configure()
        // Event data is shared with the received frame instead of copied.
        .bytes(".")
        .build_client(true)
        .build_server(std::env::var_os("CARGO_FEATURE_SERVER").is_some())
        .compile_fds(descriptors)?;
    Ok(())
}
