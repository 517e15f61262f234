//! What a virtual machine is made of: firmware, disk controller, clock, cables.

use std::path::{Path, PathBuf};

use serde::Serialize;

/// The parts of a machine that the boot matrix varies.
#[derive(Clone, Debug, Default)]
pub struct Hardware {
    /// What starts the boot loader (only [`crate::Way::Disk`]).
    pub firmware: Firmware,
    /// How disks are attached.
    pub bus: Bus,
    /// What the real-time clock says at power-on: `None` is the host's time, else
    /// an ISO 8601 date and time (UTC) such as `1970-01-01T00:00:00`.
    pub clock: Option<String>,
    /// The network cable is not plugged in. The interface is there, without a link.
    pub unplugged: bool,
    /// A TPM 2.0, emulated by swtpm; its memory is the instance's folder `tpm`.
    pub tpm: bool,
    /// Added to the kernel command line (only [`crate::Way::Vm`]).
    pub kernel_words: String,
    /// More disks, after the first; raw images, on the same bus.
    pub more_disks: Vec<PathBuf>,
    /// More of the guest's ports that are reached on 127.0.0.1: ours, the guest's.
    pub more_ports: Vec<(u16, u16)>,
    /// Further arguments of QEMU, as they are: devices that one test alone needs.
    pub more_arguments: Vec<String>,
}

/// A machine's firmware.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Firmware {
    /// SeaBIOS.
    #[default]
    Bios,
    /// OVMF, without Secure Boot.
    Uefi,
}

/// A disk controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Bus {
    /// Paravirtual: clouds and QEMU.
    #[default]
    Virtio,
    /// PC and server SSDs.
    Nvme,
    /// SATA.
    Ahci,
    /// A stick.
    Usb,
}

impl Bus {
    /// The kernel's name of the first disk on this bus.
    pub fn first_disk(self) -> &'static str {
        match self {
            Self::Virtio => "/dev/vda",
            Self::Nvme => "/dev/nvme0n1",
            Self::Ahci | Self::Usb => "/dev/sda",
        }
    }

    /// QEMU's controller for it, where the machine type has none.
    pub(crate) fn controller(self) -> Option<&'static str> {
        (self == Self::Usb).then_some("qemu-xhci,id=usb")
    }

    /// QEMU's device for the drive `id`, the `number`th on this bus.
    pub(crate) fn device(self, id: &str, number: usize) -> String {
        match self {
            Self::Virtio => format!("virtio-blk-pci,drive={id}"),
            Self::Nvme => format!("nvme,drive={id},serial=aios-{number}"),
            Self::Ahci => format!("ide-hd,drive={id},bus=ide.{number}"),
            Self::Usb => format!("usb-storage,drive={id},bus=usb.0,removable=off"),
        }
    }
}

/// OVMF's program and the template of its variables, as Debian's `ovmf` installs them.
pub(crate) const OVMF: (&str, &str) = (
    "/usr/share/OVMF/OVMF_CODE_4M.fd",
    "/usr/share/OVMF/OVMF_VARS_4M.fd",
);

/// A path as a value in QEMU's option lists, where a comma ends the value.
pub(crate) fn value(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comma_in_a_path_does_not_end_it() {
        assert_eq!(value(Path::new("/a,b/c")), "/a,,b/c");
    }
}
