//! NVIDIA's GPUs.

use crate::device::DeviceError;
use crate::learn::BurnTuner;
use burn_autodiff::Autodiff;
use burn_cuda::{Cuda, CudaDevice};
use burn_tensor::Tensor;
use libloading::{Library, Symbol};
use std::ffi::c_int;
use training::{Tuner, TuningDevice};

/// The driver's library, by the name under which it is installed.
const DRIVER: &str = "libcuda.so.1";

/// A GPU computes a whole step at once.
const PART_PIECES: usize = 1 << 14;

/// The tuner on the first GPU.
pub(crate) fn open() -> Result<Box<dyn Tuner>, DeviceError> {
    probe().map_err(DeviceError::NoDevice)?;
    let device = CudaDevice::default();
    compute(&device).map_err(DeviceError::NoDevice)?;
    Ok(Box::new(BurnTuner::<Autodiff<Cuda>> { device, kind: TuningDevice::Gpu, part_pieces: PART_PIECES }))
}

/// Proves that kernels can be compiled and run, which takes more than a driver: burn compiles them with NVRTC when it first
/// needs them, and panics where it is absent.
fn compute(device: &CudaDevice) -> Result<(), String> {
    let sum = std::panic::catch_unwind(|| {
        let ones = Tensor::<Cuda, 1>::ones([8], device);
        (ones.clone() + ones).into_data().into_vec::<f32>().unwrap_or_default()
    });
    match sum {
        Ok(sum) if sum == [2.0; 8] => Ok(()),
        Ok(sum) => Err(format!("it adds ones to {sum:?}")),
        Err(_) => Err("it computes nothing; burn needs NVRTC and the headers of CUDA's runtime".to_owned()),
    }
}

/// Asks the driver whether there is a device: burn's own bindings end the program where there is no driver.
#[allow(unsafe_code)]
fn probe() -> Result<(), String> {
    type Init = unsafe extern "C" fn(u32) -> c_int;
    type Count = unsafe extern "C" fn(*mut c_int) -> c_int;
    // SAFETY: loading the driver runs its initialisers, which is what every CUDA program does; both functions have these
    // types in every version of the driver's interface (CUDA Driver API, "Initialization" and "Device Management").
    let (initialised, counted, count) = unsafe {
        let library = Library::new(DRIVER).map_err(|error| error.to_string())?;
        let init: Symbol<'_, Init> = library.get(b"cuInit\0").map_err(|error| error.to_string())?;
        let get: Symbol<'_, Count> = library.get(b"cuDeviceGetCount\0").map_err(|error| error.to_string())?;
        let mut count = 0;
        let initialised = init(0);
        let counted = get(&mut count);
        // What a driver leaves behind when it is unloaded is its own affair: it stays.
        std::mem::forget(library);
        (initialised, counted, count)
    };
    match (initialised, counted, count) {
        (0, 0, 1..) => Ok(()),
        (0, 0, _) => Err("the driver finds none".to_owned()),
        (0, error, _) | (error, _, _) => Err(format!("the driver answers with error {error}")),
    }
}
