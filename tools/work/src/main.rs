//! The program `aios-work` alone, for tests; the image has it in `aios`.

fn main() -> std::process::ExitCode {
    aios_work::main()
}
