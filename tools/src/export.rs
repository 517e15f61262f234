//! The ledger's files, in pieces, for verification elsewhere.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::FileExt as _;
use std::sync::Arc;
use std::time::Duration;

use aios_contracts::v1::ExportAuditResponse;
use aios_ledger::Export;
use tokio::sync::mpsc::Sender;
use tonic::Status;

/// So many bytes go in one message.
const PIECE: usize = 256 * 1024;

/// Whoever takes no piece for so long gets no more: few exports go on at once, and others wait.
const STALLED: Duration = Duration::from_secs(30);

/// Sends all files; ends early when nobody takes them any more.
pub async fn send(export: Export, to: &Sender<Result<ExportAuditResponse, Status>>) {
    let [log, checkpoint] = Export::NAMES;
    let source = Arc::new(export.log);
    let mut at = 0;
    while at < export.log_bytes {
        let length = usize::try_from(export.log_bytes - at)
            .unwrap_or(PIECE)
            .min(PIECE);
        let source = Arc::clone(&source);
        let read = tokio::task::spawn_blocking(move || piece(&source, at, length)).await;
        let data = match read.map_err(std::io::Error::other).flatten() {
            Ok(data) => data,
            Err(error) => {
                let status = Status::internal(format!("reading the ledger: {error}"));
                return drop(to.send(Err(status)).await);
            }
        };
        at += data.len() as u64;
        if !give(to, log, data).await {
            return;
        }
    }
    give(to, checkpoint, export.checkpoint).await;
}

/// Sends one piece; false when nobody takes it.
async fn give(to: &Sender<Result<ExportAuditResponse, Status>>, path: &str, data: Vec<u8>) -> bool {
    let path = path.to_owned();
    let sending = to.send(Ok(ExportAuditResponse { path, data }));
    matches!(tokio::time::timeout(STALLED, sending).await, Ok(Ok(())))
}

/// Reads up to so many bytes. By position: the file's offset belongs to all who share it.
fn piece(source: &File, at: u64, length: usize) -> std::io::Result<Vec<u8>> {
    let mut piece = vec![0; length];
    loop {
        match source.read_at(&mut piece, at) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                piece.truncate(read);
                return Ok(piece);
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
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
            let shared = file.try_clone().unwrap();
            assert_eq!(piece(&shared, 0, 4).unwrap(), b"ledg");
            assert_eq!(piece(&shared, 4, 4).unwrap(), b"er");
            assert!(piece(&shared, 6, 4).is_err());
        }
    }
}
