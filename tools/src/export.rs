//! The ledger's files, in pieces, for verification elsewhere.

use std::io::{ErrorKind, Read};

use aios_ledger::Export;
use aios_proto::v1::ExportAuditResponse;
use tokio::sync::mpsc::Sender;
use tonic::Status;

/// So many bytes go in one message.
const PIECE: usize = 256 * 1024;

/// Sends all files; ends early when nobody listens any more. Blocks.
pub fn send(export: Export, to: &Sender<Result<ExportAuditResponse, Status>>) {
    let [log, checkpoint] = Export::NAMES;
    let sent = pieces(export.log, export.log_bytes, |data| give(to, log, data));
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

/// Reads so many bytes in pieces; false when the taker wants no more.
fn pieces(
    mut source: impl Read,
    mut left: u64,
    mut take: impl FnMut(Vec<u8>) -> bool,
) -> std::io::Result<bool> {
    while left > 0 {
        let mut piece = vec![0; PIECE.min(usize::try_from(left).unwrap_or(PIECE))];
        match source.read(&mut piece) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                piece.truncate(read);
                left -= read as u64;
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
