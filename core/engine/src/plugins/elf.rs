//! Looks at a library before it is opened: a truncated one would end the process with a
//! bus error inside `dlopen`, and opening one runs its code. Reads no more of the file
//! than its tables.

use std::fs::File;
use std::path::Path;

use inferbench_plugin_api::abi::{HEADER_SYMBOL, PluginHeader};
use object::Endianness;
use object::elf::{
    ELFCLASS64, EM_AARCH64, EM_X86_64, ET_DYN, FileHeader64, PT_LOAD, SHN_UNDEF, SHT_DYNSYM,
};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader, Sym};
use object::read::{ReadCache, ReadRef};
use thiserror::Error;

/// Largest file that is taken for a library.
const MOST_BYTES: u64 = 2 * 1024 * 1024 * 1024;
/// Largest table of the names that a library gives and takes, and of their text.
const MOST_TABLE_BYTES: u64 = 16 * 1024 * 1024;

/// Why a file cannot be a library of this machine.
#[derive(Debug, Error)]
pub enum ElfError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] std::io::Error),
    /// It is something else.
    #[error("is not a shared library (no ELF header)")]
    NotElf,
    /// It is an ELF file of another kind.
    #[error("is not a shared library: {fact}")]
    NotShared {
        /// What it is.
        fact: &'static str,
    },
    /// It is larger than any library.
    #[error("is too large for a plugin: it has {have} bytes, {MOST_BYTES} are the limit")]
    TooLarge {
        /// Bytes there are.
        have: u64,
    },
    /// It is for another CPU.
    #[error(
        "is built for another CPU ({found}), this machine is {}",
        std::env::consts::ARCH
    )]
    Cpu {
        /// What it is for.
        found: String,
    },
    /// It ends too early.
    #[error("is truncated: it has {have} bytes, its headers need {need}")]
    Truncated {
        /// Bytes there are.
        have: u64,
        /// Bytes that the headers speak of.
        need: u64,
    },
}

/// Checks sizes, CPU and that every segment lies inside the file, and gives the header of
/// the plugin in it; `None` if it has none.
///
/// # Errors
/// See [`ElfError`].
pub fn inspect(path: &Path) -> Result<Option<PluginHeader>, ElfError> {
    // Reading a pipe would wait for ever.
    let facts = std::fs::metadata(path).map_err(ElfError::Unreadable)?;
    if !facts.is_file() {
        return Err(ElfError::NotShared {
            fact: "it is no regular file",
        });
    }
    let cache = ReadCache::new(File::open(path).map_err(ElfError::Unreadable)?);
    inspect_data(&cache, facts.len())
}

/// `have`: bytes of the file.
fn inspect_data<'d, R: ReadRef<'d>>(data: R, have: u64) -> Result<Option<PluginHeader>, ElfError> {
    if data.read_bytes_at(0, 4) != Ok(b"\x7fELF") {
        return Err(ElfError::NotElf);
    }
    if have > MOST_BYTES {
        return Err(ElfError::TooLarge { have });
    }
    let header = FileHeader64::<Endianness>::parse(data);
    let header = header.map_err(|_| match data.read_bytes_at(4, 1) {
        Ok([class]) if *class != ELFCLASS64.0 && have >= 64 => ElfError::NotShared {
            fact: "it is not a 64-bit file",
        },
        _ => ElfError::Truncated { have, need: 64 },
    })?;
    let endian = header.endian().map_err(|_| ElfError::NotElf)?;
    let machine = header.e_machine(endian);
    let mine = match std::env::consts::ARCH {
        "x86_64" => EM_X86_64,
        "aarch64" => EM_AARCH64,
        _ => machine,
    };
    if machine != mine {
        return Err(ElfError::Cpu {
            found: cpu_name(machine.0),
        });
    }
    if header.e_type(endian) != ET_DYN {
        return Err(ElfError::NotShared {
            fact: "it is a program or an object file",
        });
    }
    let need = needed(header, endian, data);
    if need > have {
        return Err(ElfError::Truncated { have, need });
    }
    Ok(plugin_header(header, endian, data))
}

/// The header behind the symbol that every plugin has.
fn plugin_header<'d, R: ReadRef<'d>>(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    data: R,
) -> Option<PluginHeader> {
    let sections = header.sections(endian, data).ok()?;
    let is_names = |section: &&_| SectionHeader::sh_type(*section, endian) == SHT_DYNSYM;
    let names = sections.iter().find(is_names)?;
    let text = sections.section(names.link(endian)).ok()?;
    if names.sh_size(endian).max(text.sh_size(endian)) > MOST_TABLE_BYTES {
        return None;
    }
    let symbols = sections.symbols(endian, data, SHT_DYNSYM).ok()?;
    let wanted = HEADER_SYMBOL.strip_suffix(b"\0").unwrap_or(HEADER_SYMBOL);
    let strings = symbols.strings();
    let symbol = symbols.iter().find(|symbol| {
        let is_defined = symbol.st_shndx(endian) != SHN_UNDEF;
        is_defined && symbol.name(endian, strings) == Ok(wanted)
    })?;
    let address = symbol.st_value(endian);
    let mut segments = header.program_headers(endian, data).ok()?.iter();
    let segment = segments.find(|segment| {
        let from = segment.p_vaddr(endian);
        let is_inside = address >= from && address - from < segment.p_filesz(endian);
        segment.p_type(endian) == PT_LOAD && is_inside
    })?;
    let into = address - segment.p_vaddr(endian);
    let at = segment.p_offset(endian).checked_add(into)?;
    let bytes = data.read_bytes_at(at, size_of::<PluginHeader>() as u64);
    PluginHeader::from_bytes(bytes.ok()?.try_into().ok()?)
}

fn cpu_name(machine: u16) -> String {
    if machine == EM_X86_64.0 {
        "x86_64".to_owned()
    } else if machine == EM_AARCH64.0 {
        "aarch64".to_owned()
    } else {
        format!("ELF machine {machine}")
    }
}

/// Bytes that program headers, sections and the header tables reach to.
fn needed<'d, R: ReadRef<'d>>(
    header: &FileHeader64<Endianness>,
    endian: Endianness,
    bytes: R,
) -> u64 {
    let table =
        |offset: u64, size: u16, n: u16| offset.saturating_add(u64::from(size) * u64::from(n));
    let mut need = table(
        header.e_phoff(endian),
        header.e_phentsize(endian),
        header.e_phnum(endian),
    );
    need = need.max(table(
        header.e_shoff(endian),
        header.e_shentsize(endian),
        header.e_shnum(endian),
    ));
    for segment in header.program_headers(endian, bytes).into_iter().flatten() {
        let end = segment
            .p_offset(endian)
            .saturating_add(segment.p_filesz(endian));
        need = need.max(end);
    }
    if let Ok(sections) = header.section_headers(endian, bytes) {
        for section in sections {
            if let Some((offset, size)) = section.file_range(endian) {
                need = need.max(offset.saturating_add(size));
            }
        }
    }
    need
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check_bytes(bytes: &[u8]) -> Result<Option<PluginHeader>, ElfError> {
        inspect_data(bytes, bytes.len() as u64)
    }

    fn own_library() -> Vec<u8> {
        // The test program itself is position-independent, which ELF calls a
        // shared object too.
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_whole_file_passes() {
        let file = own_library();
        assert!(check_bytes(&file).unwrap().is_none(), "it is no plugin");
    }

    #[test]
    fn every_cut_of_a_library_is_called_truncated_and_none_panics() {
        let whole = own_library();
        for keep in [4, 5, 40, 63, 64, 200, whole.len() / 2, whole.len() - 1] {
            let error = check_bytes(&whole[..keep]).unwrap_err();
            assert!(
                matches!(error, ElfError::Truncated { .. }),
                "{keep}: {error}"
            );
        }
    }

    #[test]
    fn a_file_that_is_far_too_large_is_refused_by_its_first_bytes_or_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.so");
        let file = File::create(&path).unwrap();
        file.set_len(MOST_BYTES + 1).unwrap();
        assert!(matches!(inspect(&path), Err(ElfError::NotElf)));
        std::io::Write::write_all(&mut &file, &own_library()[..64]).unwrap();
        assert!(matches!(inspect(&path), Err(ElfError::TooLarge { .. })));
    }

    #[test]
    fn text_is_not_a_library() {
        assert!(matches!(check_bytes(b"#!/bin/sh"), Err(ElfError::NotElf)));
        assert!(matches!(check_bytes(b""), Err(ElfError::NotElf)));
    }

    #[test]
    fn another_cpu_is_named() {
        let mut bytes = own_library();
        bytes[18] = 0xf3; // RISC-V
        bytes[19] = 0;
        let error = check_bytes(&bytes).unwrap_err();
        assert!(error.to_string().contains("ELF machine 243"), "{error}");
    }
}
