//! gzip, of one member or several, with zeros behind the last, as tape drives and some downloads leave them.

use std::io::{self, BufRead, Read};

use flate2::bufread::GzDecoder;

/// Reads all members. `flate2`'s own reader of several members takes zeros for a damaged one.
pub(super) struct GzipMembers<R> {
    /// `None` at the end.
    member: Option<GzDecoder<R>>,
}

impl<R: BufRead> GzipMembers<R> {
    pub(super) fn new(read: R) -> GzipMembers<R> {
        GzipMembers { member: Some(GzDecoder::new(read)) }
    }
}

impl<R: BufRead> Read for GzipMembers<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while let Some(member) = &mut self.member {
            let n = member.read(buffer)?;
            if n > 0 || buffer.is_empty() {
                return Ok(n);
            }
            let Some(member) = self.member.take() else { break };
            let mut read = member.into_inner();
            self.member = if skip_zeros(&mut read)? { Some(GzDecoder::new(read)) } else { None };
        }
        Ok(0)
    }
}

/// Passes over zeros; false at the end.
fn skip_zeros(read: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let ready = match read.fill_buf() {
            Ok(ready) => ready,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let zeros = ready.iter().take_while(|&&byte| byte == 0).count();
        let (is_end, is_next) = (ready.is_empty(), zeros < ready.len());
        read.consume(zeros);
        if is_end || is_next {
            return Ok(is_next);
        }
    }
}
