//! Who may call: the orchestrator for operators, the console page for whoever sits before the
//! machine, the tools for whoever may call `config.*`, and root.

use aios_daemon::{Access, Who};

/// Who may call is one right here: who may see the configuration may change it.
pub static ACCESS: Access<()> = Access::new(
    "Config",
    &[
        (Who::Root, &[()]),
        (Who::Daemon("orchestrator"), &[()]),
        (Who::Daemon("console"), &[()]),
        (Who::Daemon("tools"), &[()]),
    ],
);
