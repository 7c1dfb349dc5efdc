//! A pool of inference requests over one compiled model.
//!
//! Creating a request costs as much as a small inference, so requests are made once and lent out.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use openvino::{CompiledModel, InferRequest, InferenceError, Tensor};

/// A day, in milliseconds: longer than any batch. A negative time, OpenVINO's "no limit" elsewhere, returns at once here
/// and says that all is well.
const FOREVER: i64 = 86_400_000;

pub(crate) struct RequestPool {
    idle: Mutex<Vec<InferRequest>>,
    returned: Condvar,
    /// The requests' model; it must outlive them. Behind a lock because OpenVINO's handle is not for sharing.
    _model: Mutex<CompiledModel>,
}

impl RequestPool {
    /// A pool of `size` requests.
    pub(crate) fn new(mut model: CompiledModel, size: usize) -> Result<Self, InferenceError> {
        let idle = (0..size).map(|_| model.create_infer_request()).collect::<Result<_, _>>()?;
        Ok(Self { idle: Mutex::new(idle), returned: Condvar::new(), _model: Mutex::new(model) })
    }

    /// A request, as soon as one is idle. Callers hold no lease, so that someone can return one.
    pub(crate) fn take(&self) -> Lease<'_> {
        let mut idle = self.idle();
        loop {
            if let Some(request) = idle.pop() {
                return self.lease(request);
            }
            idle = self.returned.wait(idle).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lease(&self, request: InferRequest) -> Lease<'_> {
        Lease { pool: self, request: Some(request), started: false }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<InferRequest>> {
        // Pushing and popping leave the list whole whatever else panicked.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request lent to one caller; goes back to the pool when dropped, never while it still computes.
pub(crate) struct Lease<'a> {
    pool: &'a RequestPool,
    /// Always there until the drop.
    request: Option<InferRequest>,
    started: bool,
}

impl Lease<'_> {
    pub(crate) fn set_input(&mut self, index: usize, tensor: &Tensor) -> Result<(), InferenceError> {
        self.request().set_input_tensor_by_index(index, tensor)
    }

    /// Starts computing without waiting.
    pub(crate) fn start(&mut self) -> Result<(), InferenceError> {
        self.request().infer_async()?;
        self.started = true;
        Ok(())
    }

    /// The output after the computation has ended. The next use of the lease overwrites it.
    pub(crate) fn output(&mut self, index: usize) -> Result<Tensor, InferenceError> {
        if std::mem::take(&mut self.started) {
            self.request().wait(FOREVER)?;
        }
        self.request().get_output_tensor_by_index(index)
    }

    fn request(&mut self) -> &mut InferRequest {
        self.request.as_mut().expect("a lease holds its request until it is dropped")
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let Some(mut request) = self.request.take() else { return };
        if self.started {
            // Its error was or will be reported by the call that failed; here only the end matters.
            let _ = request.wait(FOREVER);
        }
        self.pool.idle().push(request);
        self.pool.returned.notify_one();
    }
}
