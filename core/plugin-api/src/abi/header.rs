//! The frozen header: what the host reads in a library before it trusts anything else.

/// Major version of the plugin API: another one is refused.
pub const API_MAJOR: u32 = 1;
/// Minor version: an older plugin works in a newer host.
pub const API_MINOR: u32 = 0;
/// First bytes of every plugin's header.
pub const HEADER_MAGIC: [u8; 16] = *b"InferBenchPlugin";
/// Symbol of the header.
pub const HEADER_SYMBOL: &[u8] = b"inferbench_plugin_header\0";
/// Symbol of the layout-checked root module.
pub const ROOT_SYMBOL: &[u8] = b"inferbench_plugin_root\0";

/// What the host reads before it trusts anything else. Frozen for all versions.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct PluginHeader {
    pub magic: [u8; 16],
    pub api_major: u32,
    pub api_minor: u32,
    /// 1 if panics unwind; any other value is refused.
    pub panic_unwinds: u32,
    /// Bytes of this header.
    pub size: u32,
    /// Version of the crate it was built against, zero-padded UTF-8.
    pub sdk_version: [u8; 32],
    /// Compiler, zero-padded UTF-8.
    pub rustc: [u8; 64],
    /// Name of the package, zero-padded UTF-8.
    pub package: [u8; 64],
}

impl PluginHeader {
    /// The header of a plugin that is being compiled.
    #[must_use]
    pub const fn new(package: &str, panic_unwinds: bool) -> Self {
        Self {
            magic: HEADER_MAGIC,
            api_major: API_MAJOR,
            api_minor: API_MINOR,
            panic_unwinds: panic_unwinds as u32,
            size: size_of::<Self>() as u32,
            sdk_version: padded(env!("CARGO_PKG_VERSION")),
            rustc: padded(env!("INFERBENCH_RUSTC")),
            package: padded(package),
        }
    }
}

impl PluginHeader {
    /// The header in the bytes of a library's file; `None` if they do not begin as one.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; size_of::<Self>()]) -> Option<Self> {
        let (magic, rest) = bytes.split_first_chunk()?;
        let (numbers, rest) = rest.split_first_chunk::<16>()?;
        let (sdk_version, rest) = rest.split_first_chunk()?;
        let (rustc, rest) = rest.split_first_chunk()?;
        let package = rest.first_chunk()?;
        let mut numbers = numbers
            .as_chunks()
            .0
            .iter()
            .copied()
            .map(u32::from_ne_bytes);
        let mut number = || numbers.next();
        let header = Self {
            magic: *magic,
            api_major: number()?,
            api_minor: number()?,
            panic_unwinds: number()?,
            size: number()?,
            sdk_version: *sdk_version,
            rustc: *rustc,
            package: *package,
        };
        (header.magic == HEADER_MAGIC).then_some(header)
    }
}

const fn padded<const N: usize>(text: &str) -> [u8; N] {
    let bytes = text.as_bytes();
    let mut out = [0; N];
    let mut i = 0;
    while i < bytes.len() && i < N {
        out[i] = bytes[i];
        i += 1;
    }
    out
}

/// Text of a zero-padded field.
#[must_use]
pub fn unpadded(field: &[u8]) -> String {
    let end = field.iter().position(|b| *b == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padded_text_comes_back() {
        assert_eq!(unpadded(&padded::<8>("vllm")), "vllm");
        assert_eq!(unpadded(&padded::<4>("longer")), "long");
    }
}
