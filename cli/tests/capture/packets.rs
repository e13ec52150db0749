//! Captures that are made out of a real one: packets as numbers and bytes, and files of
//! several forms with them.

use std::collections::HashMap;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;

/// Length of the header that the real capture has before each IP packet.
const COOKED: usize = 20;

/// One packet: IPv4 with TCP.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    /// Time, ns.
    pub(crate) wall_ns: u64,
    /// From the IP header on.
    pub(crate) ip: Vec<u8>,
}

fn number(bytes: &[u8]) -> u32 {
    u32::from_le_bytes(bytes.try_into().unwrap())
}

impl Packet {
    fn tcp(&self) -> usize {
        usize::from(self.ip[0] & 15) * 4
    }

    /// Ports of its sender and its receiver.
    pub(crate) fn ports(&self) -> (u16, u16) {
        let tcp = &self.ip[self.tcp()..];
        let port = |at: usize| u16::from_be_bytes([tcp[at], tcp[at + 1]]);
        (port(0), port(2))
    }

    pub(crate) fn payload(&self) -> &[u8] {
        let tcp = self.tcp();
        &self.ip[tcp + usize::from(self.ip[tcp + 12] >> 4) * 4..]
    }

    fn is_syn(&self) -> bool {
        self.ip[self.tcp() + 13] & 2 != 0
    }

    fn count(&mut self, at: usize) -> &mut [u8] {
        let tcp = self.tcp();
        &mut self.ip[tcp + at..tcp + at + 4]
    }

    fn sequence(&mut self) -> u32 {
        u32::from_be_bytes(self.count(4).try_into().unwrap())
    }
}

/// The packets of the stored capture.
pub(crate) fn stored() -> Vec<Packet> {
    let packed = include_bytes!("run/any.pcap.gz");
    let mut bytes = Vec::new();
    GzDecoder::new(&packed[..]).read_to_end(&mut bytes).unwrap();
    let mut rest = &bytes[24..];
    let mut packets = Vec::new();
    while !rest.is_empty() {
        let length = number(&rest[8..12]) as usize;
        let (seconds, micros) = (number(&rest[..4]), number(&rest[4..8]));
        packets.push(Packet {
            wall_ns: u64::from(seconds) * 1_000_000_000 + u64::from(micros) * 1000,
            ip: rest[16 + COOKED..16 + length].to_vec(),
        });
        rest = &rest[16 + length..];
    }
    packets
}

/// The same packets with numbers of bytes that begin anew within each stream.
pub(crate) fn with_numbers_beginning_anew(mut packets: Vec<Packet>) -> Vec<Packet> {
    const FIRST: u32 = u32::MAX - 100;
    let mut first = HashMap::new();
    for packet in &mut packets {
        if packet.is_syn() {
            first.insert(packet.ports(), packet.sequence());
        }
        let (from, to) = packet.ports();
        let (own, other) = (first.get(&(from, to)), first.get(&(to, from)));
        for (at, shift) in [(4, own), (8, other)] {
            let count = packet.count(at);
            let old = u32::from_be_bytes(count.try_into().unwrap());
            if let Some(shift) = shift {
                let new = old.wrapping_sub(*shift).wrapping_add(FIRST);
                count.copy_from_slice(&new.to_be_bytes());
            }
        }
    }
    packets
}

/// What a file has before the IP packet.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Link {
    Ethernet,
    Ip,
    /// IPv6 in place of IPv4.
    Ip6,
    Sll,
    Sll2,
    /// Some link type that is not read.
    Wireless,
}

impl Link {
    fn number(self) -> u32 {
        match self {
            Self::Ethernet => 1,
            Self::Ip => 101,
            Self::Ip6 => 229,
            Self::Sll => 113,
            Self::Sll2 => 276,
            Self::Wireless => 127,
        }
    }

    fn frame(self, packet: &Packet) -> Vec<u8> {
        let head = match self {
            Self::Ip | Self::Wireless => Vec::new(),
            Self::Ip6 => return ip6(packet),
            Self::Ethernet => [&[0; 12][..], &[8, 0]].concat(),
            Self::Sll => [&[0; 14][..], &[8, 0]].concat(),
            Self::Sll2 => [&[8, 0][..], &[0; 18]].concat(),
        };
        [head, packet.ip.clone()].concat()
    }
}

/// The packet with a header of IPv6, whose addresses end like the old ones.
fn ip6(packet: &Packet) -> Vec<u8> {
    let tcp = &packet.ip[packet.tcp()..];
    let mut frame = vec![0x60, 0, 0, 0];
    frame.extend((tcp.len() as u16).to_be_bytes());
    frame.extend([6, 64]);
    for address in [&packet.ip[12..16], &packet.ip[16..20]] {
        frame.extend([0; 12]);
        frame.extend(address);
    }
    frame.extend(tcp);
    frame
}

/// Writes a pcap file with nanoseconds.
pub(crate) fn write_pcap(path: &Path, link: Link, packets: &[Packet]) {
    write_pcap_cut(path, link, packets, usize::MAX);
}

/// The same with so many bytes of each packet at most.
pub(crate) fn write_pcap_cut(path: &Path, link: Link, packets: &[Packet], snap: usize) {
    let mut bytes = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    bytes.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(262_144_u32.to_le_bytes());
    bytes.extend(link.number().to_le_bytes());
    for packet in packets {
        let frame = link.frame(packet);
        let second = 1_000_000_000;
        let kept = frame.len().min(snap);
        for number in [
            (packet.wall_ns / second) as u32,
            (packet.wall_ns % second) as u32,
            kept as u32,
            frame.len() as u32,
        ] {
            bytes.extend(number.to_le_bytes());
        }
        bytes.extend(&frame[..kept]);
    }
    std::fs::write(path, bytes).unwrap();
}

/// Writes a pcapng file with nanoseconds.
pub(crate) fn write_pcapng(path: &Path, link: Link, packets: &[Packet]) {
    let mut bytes = block(
        0x0a0d_0d0a,
        &[&[0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0][..], &[255; 8]].concat(),
    );
    let mut interface = (link.number() as u16).to_le_bytes().to_vec();
    interface.extend([0, 0, 0, 0, 4, 0]);
    // Option 9: times are counted in units of 10^-9 s.
    interface.extend([9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
    bytes.extend(block(1, &interface));
    for packet in packets {
        let frame = link.frame(packet);
        let length = frame.len() as u32;
        let mut body = 0_u32.to_le_bytes().to_vec();
        for number in [
            (packet.wall_ns >> 32) as u32,
            packet.wall_ns as u32,
            length,
            length,
        ] {
            body.extend(number.to_le_bytes());
        }
        body.extend(&frame);
        body.resize(body.len().next_multiple_of(4), 0);
        bytes.extend(block(6, &body));
    }
    std::fs::write(path, bytes).unwrap();
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes(), &length, body, &length].concat()
}
