//! Generates the gRPC code from `aios/v1/*.proto`. Needs `protoc` (Debian: protobuf-compiler).

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let files = [
        "agent",
        "config",
        "emergency",
        "goal",
        "init",
        "maintenance",
        "management",
        "memory",
        "runtime",
        "tools",
        "update",
    ]
    .map(|name| format!("aios/v1/{name}.proto"));
    println!("cargo:rerun-if-changed=aios/v1");
    tonic_prost_build::configure().compile_protos(&files, &[".".to_string()])?;
    Ok(())
}
