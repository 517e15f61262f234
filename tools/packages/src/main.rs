//! The program `aios-packages` alone, for tests; the image has it in `aios`.

fn main() -> std::process::ExitCode {
    aios_packages::main()
}
