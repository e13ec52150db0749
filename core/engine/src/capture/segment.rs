//! From a packet to the TCP segment in it. What the segments of a connection say
//! together is for [`stream`](super::stream).

use std::net::{IpAddr, SocketAddr};

use etherparse::{EtherType, LaxNetSlice, LaxSlicedPacket, TransportSlice};

use super::file::Packet;

/// Link types, as libpcap counts them.
const ETHERNET: i32 = 1;
const RAW: i32 = 101;
const IPV4: i32 = 228;
const IPV6: i32 = 229;
const LINUX_SLL: i32 = 113;
const LINUX_SLL2: i32 = 276;
/// Lengths of the cooked headers, and where they have the protocol.
const SLL_BYTES: usize = 16;
const SLL_PROTOCOL: usize = 14;
const SLL2_BYTES: usize = 20;
const SLL2_PROTOCOL: usize = 0;

/// One TCP segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Segment {
    /// When it was captured, wall clock, ns.
    pub(super) wall_ns: u64,
    pub(super) from: SocketAddr,
    pub(super) to: SocketAddr,
    /// Number of its first byte.
    pub(super) sequence: u32,
    /// Number of the byte that is expected next of the other side.
    pub(super) acknowledged: Option<u32>,
    pub(super) is_syn: bool,
    pub(super) is_fin: bool,
    pub(super) is_reset: bool,
    pub(super) payload: Vec<u8>,
}

/// Whether packets of a link type are read.
pub(super) fn is_read(link_type: i32) -> bool {
    [ETHERNET, RAW, IPV4, IPV6, LINUX_SLL, LINUX_SLL2].contains(&link_type)
}

/// The segment in a packet; `None` if it holds anything else, or a part of one.
pub(super) fn segment(packet: Packet<'_>) -> Option<Segment> {
    let sliced = match packet.link_type {
        ETHERNET => LaxSlicedPacket::from_ethernet(packet.bytes).ok()?,
        RAW | IPV4 | IPV6 => LaxSlicedPacket::from_ip(packet.bytes).ok()?,
        LINUX_SLL => cooked(packet.bytes, SLL_BYTES, SLL_PROTOCOL)?,
        LINUX_SLL2 => cooked(packet.bytes, SLL2_BYTES, SLL2_PROTOCOL)?,
        _ => return None,
    };
    let (from, to) = addresses(sliced.net.as_ref()?)?;
    let Some(TransportSlice::Tcp(tcp)) = &sliced.transport else {
        return None;
    };
    Some(Segment {
        wall_ns: packet.wall_ns,
        from: SocketAddr::new(from, tcp.source_port()),
        to: SocketAddr::new(to, tcp.destination_port()),
        sequence: tcp.sequence_number(),
        acknowledged: tcp.ack().then(|| tcp.acknowledgment_number()),
        is_syn: tcp.syn(),
        is_fin: tcp.fin(),
        is_reset: tcp.rst(),
        payload: tcp.payload().to_vec(),
    })
}

/// What is behind a cooked header.
fn cooked(bytes: &[u8], header: usize, protocol: usize) -> Option<LaxSlicedPacket<'_>> {
    let kind = bytes.get(protocol..protocol + 2)?;
    let kind = EtherType(u16::from_be_bytes([kind[0], kind[1]]));
    Some(LaxSlicedPacket::from_ether_type(kind, bytes.get(header..)?))
}

fn addresses(net: &LaxNetSlice<'_>) -> Option<(IpAddr, IpAddr)> {
    match net {
        LaxNetSlice::Ipv4(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        LaxNetSlice::Ipv6(ip) => {
            let header = ip.header();
            Some((
                header.source_addr().into(),
                header.destination_addr().into(),
            ))
        }
        LaxNetSlice::Arp(_) => None,
    }
}
