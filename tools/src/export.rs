//! The ledger's files, in pieces, for verification elsewhere.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;

use aios_contracts::v1::ExportAuditResponse;
use aios_ledger::Export;
use tokio::sync::mpsc::Sender;
use tonic::Status;

/// So many bytes go in one message.
const PIECE: usize = 256 * 1024;

/// Sends all files; ends early when nobody listens any more. Blocks.
pub fn send(export: Export, to: &Sender<Result<ExportAuditResponse, Status>>) {
    let [log, checkpoint] = Export::NAMES;
    let sent = pieces(&export.log, export.log_bytes, |data| give(to, log, data));
    match sent {
        Ok(true) => {
            give(to, checkpoint, export.checkpoint);
        }
        Ok(false) => {} // nobody listens any more
        Err(error) => {
            let status = Status::internal(format!("reading the ledger: {error}"));
            drop(to.blocking_send(Err(status)));
        }
    }
}

/// Sends one piece; false when nobody listens any more.
fn give(to: &Sender<Result<ExportAuditResponse, Status>>, path: &str, data: Vec<u8>) -> bool {
    let path = path.to_owned();
    to.blocking_send(Ok(ExportAuditResponse { path, data }))
        .is_ok()
}

/// Reads so many bytes from the file's start, in pieces; false when the taker
/// wants no more. By position: the file's offset belongs to all who share it.
fn pieces(
    source: &File,
    bytes: u64,
    mut take: impl FnMut(Vec<u8>) -> bool,
) -> std::io::Result<bool> {
    let mut at = 0;
    while at < bytes {
        let left = usize::try_from(bytes - at).unwrap_or(PIECE);
        let mut piece = vec![0; PIECE.min(left)];
        match source.read_at(&mut piece, at) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                piece.truncate(read);
                at += read as u64;
                if !take(piece) {
                    return Ok(false);
                }
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_second_export_starts_at_the_beginning_too() {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"ledger").unwrap();
        for _ in 0..2 {
            let mut read = Vec::new();
            let shared = file.try_clone().unwrap();
            pieces(&shared, 4, |piece| {
                read.extend(piece);
                true
            })
            .unwrap();
            assert_eq!(read, b"ledg");
        }
    }
}
