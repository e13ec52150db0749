//! NVML's functions. Each is documented by NVIDIA under its own name.

#![allow(
    non_snake_case,
    non_upper_case_globals,
    clippy::missing_safety_doc,
    clippy::not_unsafe_ptr_arg_deref,
    reason = "NVML's names and ways"
)]

use std::ffi::{c_char, c_int, c_uint, c_ulonglong};
use std::time::Duration;

use nvml_wrapper_sys::bindings::field_id::{NVML_FI_DEV_POWER_AVERAGE, NVML_FI_DEV_POWER_INSTANT};
use nvml_wrapper_sys::bindings::*;
use serde_json::Value;

use crate::place::{Playing, playing};
use crate::script::{Device, NAME, Process, Series};

type Answer<T> = Result<T, nvmlReturn_t>;

const SUCCESS: nvmlReturn_t = nvmlReturn_enum_NVML_SUCCESS;
const NOT_FOUND: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_NOT_FOUND;
const NOT_SUPPORTED: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_NOT_SUPPORTED;
const NO_ROOM: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_INSUFFICIENT_SIZE;
const INVALID: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_INVALID_ARGUMENT;
const LOST: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_GPU_IS_LOST;
const UNKNOWN: nvmlReturn_t = nvmlReturn_enum_NVML_ERROR_UNKNOWN;
/// What a handle counts its devices' instances by.
const PARTS: usize = 1000;
/// NVML's value for unknown memory, and for an instance that is none.
const NO_MEMORY: u64 = u64::MAX;
const NO_INSTANCE: u32 = u32::MAX;

fn error(name: &str) -> nvmlReturn_t {
    match name {
        "NOT_SUPPORTED" => NOT_SUPPORTED,
        "GPU_IS_LOST" => LOST,
        "NO_PERMISSION" => nvmlReturn_enum_NVML_ERROR_NO_PERMISSION,
        "LIB_RM_VERSION_MISMATCH" => nvmlReturn_enum_NVML_ERROR_LIB_RM_VERSION_MISMATCH,
        "DRIVER_NOT_LOADED" => nvmlReturn_enum_NVML_ERROR_DRIVER_NOT_LOADED,
        "TIMEOUT" => nvmlReturn_enum_NVML_ERROR_TIMEOUT,
        _ => UNKNOWN,
    }
}

/// Writes the answer to `to`.
fn write<T>(answer: Answer<T>, to: *mut T) -> nvmlReturn_t {
    if to.is_null() {
        return INVALID;
    }
    match answer {
        Ok(value) => {
            // SAFETY: not null, and NVML's caller gives room for one value.
            unsafe { to.write(value) };
            SUCCESS
        }
        Err(error) => error,
    }
}

/// Writes a text and its end, as far as `room` bytes go.
fn write_text(answer: Answer<Vec<u8>>, to: *mut c_char, room: c_uint) -> nvmlReturn_t {
    let bytes = match answer {
        Ok(bytes) => bytes,
        Err(error) => return error,
    };
    if to.is_null() || bytes.len() >= room as usize {
        return NO_ROOM;
    }
    // SAFETY: NVML's caller gives room for `room` bytes, and that is more than there are.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr().cast(), to, bytes.len());
        to.add(bytes.len()).write(0);
    }
    SUCCESS
}

fn script() -> Answer<&'static Playing> {
    playing().ok_or(nvmlReturn_enum_NVML_ERROR_UNINITIALIZED)
}

/// The device of a handle, which waits as long as the device hangs.
fn device(handle: nvmlDevice_t) -> Answer<(&'static Device, f64)> {
    let playing = script()?;
    let number = handle as usize;
    let (index, part) = (number / PARTS, number % PARTS);
    let parent = index
        .checked_sub(1)
        .and_then(|index| playing.script.devices.get(index));
    let parent = parent.ok_or(INVALID)?;
    let hangs = |now_s| {
        parent.hangs_from_s.is_some_and(|from_s| now_s >= from_s)
            && parent.hangs_until_s.is_none_or(|until_s| now_s < until_s)
    };
    while hangs(playing.now_s()) {
        std::thread::sleep(Duration::from_millis(10));
    }
    let now_s = playing.now_s();
    if parent.lost_from_s.is_some_and(|from_s| now_s >= from_s) {
        return Err(LOST);
    }
    let device = match part {
        0 => Some(parent),
        part => parent.mig.get(part - 1),
    };
    Ok((device.ok_or(INVALID)?, now_s))
}

fn number(series: &Series, now_s: f64) -> Answer<u64> {
    match series.at(now_s) {
        Value::Number(number) => number
            .as_u64()
            .or_else(|| number.as_f64().map(|number| number as u64))
            .ok_or(UNKNOWN),
        Value::String(name) => Err(error(&name)),
        _ => Err(NOT_SUPPORTED),
    }
}

fn figure(handle: nvmlDevice_t, series: impl Fn(&Device) -> &Series) -> Answer<u64> {
    let (device, now_s) = device(handle)?;
    number(series(device), now_s)
}

/// A figure of 32 bits.
fn small(handle: nvmlDevice_t, series: impl Fn(&Device) -> &Series) -> Answer<c_uint> {
    Ok(figure(handle, series)? as c_uint)
}

fn init() -> nvmlReturn_t {
    let Some(playing) = playing() else {
        return UNKNOWN;
    };
    std::thread::sleep(Duration::from_secs_f64(playing.script.init_takes_s));
    playing.script.init.as_deref().map_or(SUCCESS, error)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInit_v2() -> nvmlReturn_t {
    init()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlInitWithFlags(_flags: c_uint) -> nvmlReturn_t {
    init()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlShutdown() -> nvmlReturn_t {
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlErrorString(_result: nvmlReturn_t) -> *const c_char {
    c"an error of the stand-in".as_ptr()
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetDriverVersion(to: *mut c_char, room: c_uint) -> nvmlReturn_t {
    write_text(Ok(b"stand-in".to_vec()), to, room)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetNVMLVersion(to: *mut c_char, room: c_uint) -> nvmlReturn_t {
    write_text(Ok(b"stand-in".to_vec()), to, room)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlSystemGetCudaDriverVersion_v2(to: *mut c_int) -> nvmlReturn_t {
    write(Err(NOT_SUPPORTED), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetCount_v2(to: *mut c_uint) -> nvmlReturn_t {
    let count = |playing: &Playing| {
        let there = playing.script.devices.len() as c_uint;
        playing.script.device_count.unwrap_or(there)
    };
    write(script().map(count), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetHandleByIndex_v2(
    index: c_uint,
    to: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    let handle = ((index as usize + 1) * PARTS) as nvmlDevice_t;
    let answer = match device(handle) {
        Ok(_) => Ok(handle),
        Err(error) => Err(error),
    };
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetName(
    handle: nvmlDevice_t,
    to: *mut c_char,
    room: c_uint,
) -> nvmlReturn_t {
    let name = |(device, _): (&Device, f64)| {
        let mut name = NAME.as_bytes().to_vec();
        if let Some(own) = &device.name {
            name.extend([b' ']);
            name.extend(own.as_bytes());
        }
        // No byte of UTF-8.
        name.extend(device.name_is_no_text.then_some(0xff));
        name
    };
    write_text(device(handle).map(name), to, room)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetUUID(
    handle: nvmlDevice_t,
    to: *mut c_char,
    room: c_uint,
) -> nvmlReturn_t {
    let uuid = device(handle).and_then(|(device, _)| {
        let uuid = device.uuid.clone().ok_or(NOT_SUPPORTED)?;
        Ok(uuid.into_bytes())
    });
    write_text(uuid, to, room)
}

/// Total, reserved and used.
fn memory(handle: nvmlDevice_t) -> Answer<[u64; 3]> {
    let (device, now_s) = device(handle)?;
    let memory = device.memory.as_ref().ok_or(NOT_SUPPORTED)?;
    let used = number(&memory.used_bytes, now_s)?;
    if let Ok(delay_ms) = number(&device.delay_ms, now_s) {
        std::thread::sleep(Duration::from_millis(delay_ms));
    }
    Ok([memory.total_bytes, memory.reserved_bytes, used])
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMemoryInfo(
    handle: nvmlDevice_t,
    to: *mut nvmlMemory_t,
) -> nvmlReturn_t {
    let answer = memory(handle).map(|[total, reserved, used]| nvmlMemory_t {
        total,
        free: total.saturating_sub(used).saturating_sub(reserved),
        used: used.saturating_add(reserved),
    });
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMemoryInfo_v2(
    handle: nvmlDevice_t,
    to: *mut nvmlMemory_v2_t,
) -> nvmlReturn_t {
    let answer = memory(handle).map(|[total, reserved, used]| nvmlMemory_v2_t {
        version: (size_of::<nvmlMemory_v2_t>() | (2 << 24)) as c_uint,
        total,
        reserved,
        free: total.saturating_sub(used).saturating_sub(reserved),
        used,
    });
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetUtilizationRates(
    handle: nvmlDevice_t,
    to: *mut nvmlUtilization_t,
) -> nvmlReturn_t {
    let rates = device(handle).and_then(|(device, now_s)| {
        Ok(nvmlUtilization_t {
            gpu: number(&device.utilization_percent, now_s)? as c_uint,
            // NVML reports both or none.
            memory: number(&device.memory_controller_percent, now_s).unwrap_or(0) as c_uint,
        })
    });
    write(rates, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerUsage(handle: nvmlDevice_t, to: *mut c_uint) -> nvmlReturn_t {
    write(small(handle, |device| &device.power_milliwatts), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetEnforcedPowerLimit(
    handle: nvmlDevice_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    write(small(handle, |device| &device.power_limit_milliwatts), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPowerManagementDefaultLimit(
    handle: nvmlDevice_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    write(small(handle, |device| &device.power_limit_milliwatts), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTotalEnergyConsumption(
    handle: nvmlDevice_t,
    to: *mut c_ulonglong,
) -> nvmlReturn_t {
    write(figure(handle, |device| &device.energy_millijoules), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetClockInfo(
    handle: nvmlDevice_t,
    clock: nvmlClockType_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    let answer = match clock {
        nvmlClockType_enum_NVML_CLOCK_MEM => small(handle, |device| &device.memory_clock_mhz),
        _ => small(handle, |device| &device.sm_clock_mhz),
    };
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetTemperature(
    handle: nvmlDevice_t,
    _sensor: nvmlTemperatureSensors_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    write(small(handle, |device| &device.temperature_celsius), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetCurrentClocksThrottleReasons(
    handle: nvmlDevice_t,
    to: *mut c_ulonglong,
) -> nvmlReturn_t {
    write(figure(handle, |device| &device.throttle_reasons), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPerformanceState(
    handle: nvmlDevice_t,
    to: *mut nvmlPstates_t,
) -> nvmlReturn_t {
    write(small(handle, |device| &device.performance_state), to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetPcieThroughput(
    handle: nvmlDevice_t,
    counter: nvmlPcieUtilCounter_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    let answer = match counter {
        nvmlPcieUtilCounter_enum_NVML_PCIE_UTIL_RX_BYTES => {
            small(handle, |device| &device.pcie_rx_kib_per_s)
        }
        _ => small(handle, |device| &device.pcie_tx_kib_per_s),
    };
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetFieldValues(
    handle: nvmlDevice_t,
    count: c_int,
    fields: *mut nvmlFieldValue_t,
) -> nvmlReturn_t {
    let (device, now_s) = match device(handle) {
        Ok(found) => found,
        Err(error) => return error,
    };
    let count = usize::try_from(count).unwrap_or(0);
    if fields.is_null() {
        return INVALID;
    }
    // SAFETY: not null, and NVML's caller gives `count` of them.
    let fields = unsafe { std::slice::from_raw_parts_mut(fields, count) };
    for field in fields {
        let answer = match field.fieldId {
            NVML_FI_DEV_POWER_AVERAGE => number(&device.power_average_milliwatts, now_s),
            NVML_FI_DEV_POWER_INSTANT => number(&device.power_instant_milliwatts, now_s),
            _ => Err(NOT_SUPPORTED),
        };
        field.valueType = nvmlValueType_enum_NVML_VALUE_TYPE_UNSIGNED_INT;
        field.nvmlReturn = answer.err().unwrap_or(SUCCESS);
        field.value.uiVal = answer.unwrap_or(0) as c_uint;
    }
    SUCCESS
}

fn process(process: &Process, now_s: f64) -> Option<nvmlProcessInfo_t> {
    let is_there = now_s >= process.from_s && process.until_s.is_none_or(|until| now_s < until);
    let pid = match &process.pid_file {
        Some(file) => std::fs::read_to_string(file).ok()?.trim().parse().ok()?,
        None => process.pid,
    };
    is_there.then_some(nvmlProcessInfo_t {
        pid,
        usedGpuMemory: process.used_bytes.unwrap_or(NO_MEMORY),
        gpuInstanceId: NO_INSTANCE,
        computeInstanceId: NO_INSTANCE,
    })
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetComputeRunningProcesses_v3(
    handle: nvmlDevice_t,
    count: *mut c_uint,
    to: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    let (device, now_s) = match device(handle) {
        Ok(found) => found,
        Err(error) => return error,
    };
    let Some(processes) = &device.processes else {
        return NOT_SUPPORTED;
    };
    let there: Vec<_> = processes
        .iter()
        .filter_map(|one| process(one, now_s))
        .collect();
    if count.is_null() {
        return INVALID;
    }
    // SAFETY: not null, and NVML's caller gives room for the number.
    let room = unsafe { count.read() } as usize;
    let answer = device.process_count.unwrap_or(there.len() as c_uint);
    // SAFETY: as above.
    unsafe { count.write(answer) };
    if there.len() > room || (room == 0 && answer > 0) {
        return NO_ROOM;
    }
    if !to.is_null() {
        // SAFETY: NVML's caller gives `room` of them, and that is enough.
        unsafe { std::ptr::copy_nonoverlapping(there.as_ptr(), to, there.len()) };
    }
    SUCCESS
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetGraphicsRunningProcesses_v3(
    handle: nvmlDevice_t,
    count: *mut c_uint,
    _to: *mut nvmlProcessInfo_t,
) -> nvmlReturn_t {
    write(device(handle).map(|_| 0), count)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMigMode(
    handle: nvmlDevice_t,
    current: *mut c_uint,
    pending: *mut c_uint,
) -> nvmlReturn_t {
    let mode = device(handle).map(|(device, _)| c_uint::from(!device.mig.is_empty()));
    match write(mode, current) {
        SUCCESS => write(mode, pending),
        error => error,
    }
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMaxMigDeviceCount(
    handle: nvmlDevice_t,
    to: *mut c_uint,
) -> nvmlReturn_t {
    write(
        device(handle).map(|(device, _)| device.mig.len() as c_uint),
        to,
    )
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetMigDeviceHandleByIndex(
    handle: nvmlDevice_t,
    index: c_uint,
    to: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    let answer = device(handle).and_then(|(device, _)| match device.mig.get(index as usize) {
        Some(_) => Ok((handle as usize + index as usize + 1) as nvmlDevice_t),
        None => Err(NOT_FOUND),
    });
    write(answer, to)
}

#[unsafe(no_mangle)]
pub extern "C" fn nvmlDeviceGetDeviceHandleFromMigDeviceHandle(
    handle: nvmlDevice_t,
    to: *mut nvmlDevice_t,
) -> nvmlReturn_t {
    let parent = handle as usize / PARTS * PARTS;
    write(device(handle).map(|_| parent as nvmlDevice_t), to)
}
