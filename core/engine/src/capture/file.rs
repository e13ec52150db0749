//! A capture file, pcap or pcapng, read packet by packet in constant memory. What is in
//! a packet is for [`segment`](super::segment).

use std::fs::File;
use std::path::Path;

use pcap_parser::pcapng::Block;
use pcap_parser::traits::PcapReaderIterator;
use pcap_parser::{PcapBlockOwned, PcapError, PcapHeader, create_reader};

use super::error::CaptureError;

/// Bytes that are read at a time; more where one packet needs it.
const BUFFER_BYTES: usize = 1024 * 1024;
/// Longest packet that is read; the kernel has none above some 600 KiB.
const MAX_PACKET_BYTES: usize = 16 * 1024 * 1024;
const NS_PER_S: i128 = 1_000_000_000;

/// One packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Packet<'f> {
    /// When it was captured, wall clock, ns.
    pub(super) wall_ns: u64,
    /// Number of its link type.
    pub(super) link_type: i32,
    /// As much of it as was kept.
    pub(super) bytes: &'f [u8],
    /// Only its beginning was kept.
    pub(super) is_cut: bool,
}

/// How a file ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct FileEnd {
    /// Packets in it.
    pub(super) packets: u64,
    /// It ends inside a packet.
    pub(super) is_cut_short: bool,
}

/// Gives each packet of the file to `take`, in the file's order.
///
/// # Errors
/// If the file is no capture, or damaged. One that ends inside a packet is neither.
pub(super) fn read(path: &Path, take: &mut dyn FnMut(Packet<'_>)) -> Result<FileEnd, CaptureError> {
    let mut reader = open(path)?;
    let mut interfaces = Interfaces::default();
    let mut end = FileEnd::default();
    let mut capacity = BUFFER_BYTES;
    let mut at = 0;
    loop {
        let wants = match reader.next() {
            Ok((length, block)) => {
                if let Some(packet) = interfaces.packet(&block) {
                    end.packets += 1;
                    take(packet);
                }
                at += length as u64;
                Wants::Next(length)
            }
            Err(PcapError::Incomplete(_)) => Wants::More,
            Err(PcapError::BufferTooSmall) if capacity < MAX_PACKET_BYTES => Wants::Room,
            Err(PcapError::Eof) => return Ok(end),
            Err(PcapError::UnexpectedEof) => {
                end.is_cut_short = true;
                return Ok(end);
            }
            Err(_) => return Err(damaged(path, end.packets, at)),
        };
        if let Wants::Next(length) = wants {
            reader.consume(length);
            continue;
        }
        if let Wants::Room = wants {
            capacity *= 2;
            reader.grow(capacity);
        }
        reader.refill().map_err(|_| read_error(path))?;
    }
}

/// A reader of the file, whichever form it has.
fn open(path: &Path) -> Result<Box<dyn PcapReaderIterator + Send>, CaptureError> {
    let file = File::open(path).map_err(|source| unreadable(path, source))?;
    create_reader(BUFFER_BYTES, file).map_err(|error| match error {
        PcapError::Eof => CaptureError::Empty(path.to_owned()),
        PcapError::ReadError => read_error(path),
        _ => CaptureError::NoCapture(path.to_owned()),
    })
}

fn damaged(path: &Path, after: u64, at: u64) -> CaptureError {
    let file = path.to_owned();
    CaptureError::Damaged { file, after, at }
}

/// What the reader has to do before the next block.
enum Wants {
    Next(usize),
    More,
    Room,
}

fn unreadable(path: &Path, source: std::io::Error) -> CaptureError {
    CaptureError::Unreadable {
        file: path.to_owned(),
        source,
    }
}

/// The reader does not keep the system's words.
fn read_error(path: &Path) -> CaptureError {
    let source = match path.is_dir() {
        true => std::io::ErrorKind::IsADirectory.into(),
        false => std::io::Error::other("reading it ended with an error"),
    };
    unreadable(path, source)
}

/// What is known of the devices of a file, by their numbers.
#[derive(Debug, Default)]
struct Interfaces {
    known: Vec<Interface>,
}

#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: i32,
    /// Parts of a second that times are counted in.
    resolution: u64,
    /// What is added to its times, s.
    offset_s: i64,
}

impl Interface {
    fn wall_ns(self, count: u64) -> u64 {
        let ns = i128::from(count) * NS_PER_S / i128::from(self.resolution.max(1));
        let ns = ns + i128::from(self.offset_s) * NS_PER_S;
        u64::try_from(ns.max(0)).unwrap_or(u64::MAX)
    }

    /// A packet that came at `count`, of which `kept` bytes are there, before padding.
    fn packet(self, count: u64, bytes: &[u8], kept: u32, is_cut: bool) -> Packet<'_> {
        Packet {
            wall_ns: self.wall_ns(count),
            link_type: self.link_type,
            bytes: &bytes[..bytes.len().min(kept as usize)],
            is_cut,
        }
    }
}

impl Interfaces {
    /// The packet that a block holds; none if it holds something else.
    fn packet<'f>(&mut self, block: &PcapBlockOwned<'f>) -> Option<Packet<'f>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => self.known = vec![of_header(header)],
            PcapBlockOwned::Legacy(packet) => {
                let interface = self.known.first()?;
                let count = u64::from(packet.ts_sec) * interface.resolution;
                let count = count + u64::from(packet.ts_usec);
                let is_cut = packet.caplen < packet.origlen;
                return Some(interface.packet(count, packet.data, packet.caplen, is_cut));
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => self.known.clear(),
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                self.known.push(Interface {
                    link_type: interface.linktype.0,
                    resolution: interface.ts_resolution().unwrap_or(1_000_000),
                    offset_s: interface.ts_offset(),
                });
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = self.known.get(packet.if_id as usize)?;
                let count = u64::from(packet.ts_high) << 32 | u64::from(packet.ts_low);
                let is_cut = packet.caplen < packet.origlen;
                return Some(interface.packet(count, packet.data, packet.caplen, is_cut));
            }
            // A simple packet has no time.
            PcapBlockOwned::NG(_) => {}
        }
        None
    }
}

fn of_header(header: &PcapHeader) -> Interface {
    Interface {
        // The upper bits say how long a frame's check sum is.
        link_type: header.network.0 & 0xffff,
        resolution: match header.is_nanosecond_precision() {
            true => 1_000_000_000,
            false => 1_000_000,
        },
        offset_s: 0,
    }
}
