//! CGLS: conjugate gradients on A* W A V = A* W b, within a support if there is one.
//!
//! Hestenes and Stiefel 1952, as in Bjoerck, Numerical Methods for Least Squares Problems, 7.4. It minimises
//! ||b - A V||_W over ever larger subspaces: fastest of all to fit the data, noise included, so that few iterations are a
//! regularisation. Bounds on values cannot be kept.

use super::measured::{zeros, Measured, Misfit};
use super::method::{Method, MethodMemory, Stepped};
use crate::error::Result;
use crate::problem::Waiting;
use std::sync::Mutex;

pub(super) struct Cgls {
    /// b - A V of the driving views; before the first iteration, nothing.
    residual: Vec<f32>,
    /// Search direction p, and gradient s = A* W residual.
    direction: Vec<f32>,
    gradient: Vec<f32>,
    /// A p
    image: Vec<f32>,
    /// ||s||^2; `None`: the iteration starts afresh.
    square: Option<f64>,
}

impl Cgls {
    pub fn new(measured: &Measured) -> Result<Self> {
        let (voxels, frames) = (measured.projector.voxels(), measured.driving.len() * measured.frame_len());
        Ok(Self {
            residual: zeros(frames)?,
            direction: zeros(voxels)?,
            gradient: zeros(voxels)?,
            image: zeros(frames)?,
            square: None,
        })
    }

    /// gradient = A* W residual; its square.
    fn pull_back(&mut self, measured: &Measured, waiting: &mut Waiting<'_>) -> Result<f64> {
        let (len, views) = (measured.frame_len(), &measured.driving);
        for ((to, from), view) in self.image.chunks_exact_mut(len).zip(self.residual.chunks_exact(len)).zip(views) {
            let weights = &measured.weights[view * len..][..len];
            to.iter_mut().zip(from).zip(weights).for_each(|((to, from), weight)| *to = weight * from);
        }
        let squares: Vec<Mutex<f64>> = self.gradient.chunks_exact(measured.plane()).map(|_| Mutex::new(0.0)).collect();
        let (context, projector) = (&measured.context, &measured.projector);
        projector.back_project(context, views, &self.image, &mut self.gradient, waiting, &|z, plane| {
            if let Some(support) = &measured.support {
                let support = &support[z * plane.len()..][..plane.len()];
                plane.iter_mut().zip(support).filter(|(_, inside)| !**inside).for_each(|(v, _)| *v = 0.0);
            }
            let sum = plane.iter().map(|v| f64::from(*v).powi(2)).sum();
            *squares[z].lock().unwrap_or_else(|p| p.into_inner()) = sum;
        })?;
        Ok(squares.iter().map(|s| *s.lock().unwrap_or_else(|p| p.into_inner())).sum())
    }

    fn begin(&mut self, measured: &Measured, volume: &[f32], waiting: &mut Waiting<'_>) -> Result<f64> {
        measured.residual(&measured.driving, volume, &|_| 1.0, &mut self.residual, waiting)?;
        let square = self.pull_back(measured, waiting)?;
        self.direction.copy_from_slice(&self.gradient);
        Ok(square)
    }

    fn misfits(&self, measured: &Measured) -> Vec<Misfit> {
        let len = measured.frame_len();
        let frames = self.residual.chunks_exact(len).zip(&measured.driving);
        frames.map(|(residual, view)| measured.misfit(*view, residual)).collect()
    }
}

impl Method for Cgls {
    fn step(&mut self, measured: &Measured, volume: &mut Vec<f32>, waiting: &mut Waiting<'_>) -> Result<Stepped> {
        // Taken: an iteration that is cancelled begins afresh.
        let square = match self.square.take() {
            Some(square) => square,
            None => waiting.part(0.0, 0.4, |waiting| self.begin(measured, volume, waiting))?,
        };
        let driving = self.misfits(measured);
        if square == 0.0 {
            return Ok(Stepped { driving, finished: true, ..Stepped::default() });
        }
        let (len, plane_len, views) = (measured.frame_len(), measured.plane(), &measured.driving);
        let curvatures: Vec<Mutex<f64>> = views.iter().map(|_| Mutex::new(0.0)).collect();
        let (context, projector) = (&measured.context, &measured.projector);
        projector.project(context, views, &self.direction, &mut self.image, waiting, &|place, frame| {
            let weights = &measured.weights[views[place] * len..][..len];
            let mut sum = 0.0;
            for (value, weight) in frame.iter_mut().zip(weights) {
                *value = if *weight > 0.0 { *value } else { 0.0 };
                sum += f64::from(*weight) * f64::from(*value).powi(2);
            }
            *curvatures[place].lock().unwrap_or_else(|p| p.into_inner()) = sum;
        })?;
        let curvature: f64 = curvatures.iter().map(|c| *c.lock().unwrap_or_else(|p| p.into_inner())).sum();
        let alpha = (square / curvature) as f32;
        self.residual.iter_mut().zip(&self.image).for_each(|(r, q)| *r -= alpha * q);
        let next = self.pull_back(measured, waiting)?;
        // From here on nothing can be cancelled: the volume changes with what belongs to it.
        let direction = &self.direction;
        let squares = measured.over_planes(volume, waiting, &|z, plane| {
            let along = &direction[z * plane_len..][..plane_len];
            plane.iter_mut().zip(along).for_each(|(v, p)| *v += alpha * p);
            along.iter().map(|p| f64::from(alpha * p).powi(2)).sum()
        })?;
        let (gradient, beta) = (&self.gradient, (next / square) as f32);
        measured.over_planes(&mut self.direction, waiting, &|z, plane| {
            let gradient = &gradient[z * plane_len..][..plane_len];
            plane.iter_mut().zip(gradient).for_each(|(p, s)| *p = s + beta * *p);
            0.0
        })?;
        self.square = Some(next);
        let length = (squares / volume.len() as f64).sqrt();
        Ok(Stepped { driving, length, ..Stepped::default() })
    }

    fn memory(&self) -> MethodMemory {
        let arrays = vec![self.residual.clone(), self.direction.clone()];
        MethodMemory { numbers: vec![self.square.unwrap_or(f64::NAN)], arrays }
    }

    fn recall(&mut self, memory: &MethodMemory) -> Result<()> {
        let ([square], [residual, direction]) = memory.taken([self.residual.len(), self.direction.len()])?;
        (self.residual, self.direction) = (residual, direction);
        self.square = (!square.is_nan()).then_some(square);
        Ok(())
    }
}
