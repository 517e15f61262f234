//! Generates the gRPC code from `aios/v1/*.proto`. The contracts are compiled in Rust, so that a
//! machine with only a Rust toolchain can build this: `xtask` needs it before it can install anything.

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
        "packages",
        "runtime",
        "tools",
        "update",
        "work",
    ]
    .map(|name| format!("aios/v1/{name}.proto"));
    println!("cargo:rerun-if-changed=aios/v1");
    let contracts = protox::compile(files, ["."])?;
    tonic_prost_build::configure().compile_fds(contracts)?;
    Ok(())
}
