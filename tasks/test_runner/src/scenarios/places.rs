//! Where runner, images, cache and work are: in the workspace, or where the user says.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};

use super::image::Image;
use super::options::Options;
use super::scenario::Scenario;
use crate::binaries;
use crate::console;
use crate::prerequisites;
use crate::runner::Runner;
use crate::workspace::Workspace;

/// The folders of one run of the suite.
#[derive(Debug, Clone)]
pub(crate) struct Places {
    /// Where images are built; `None` on a machine that has only what was built elsewhere.
    workspace: Option<Workspace>,
    /// The store of images.
    pub(crate) images: PathBuf,
    /// Whether an image that is not in the store may be built.
    builds: bool,
    cache: PathBuf,
    /// Where scenarios take place.
    pub(crate) work: PathBuf,
}

impl Places {
    /// What `options` say, and the workspace's folders for what they do not.
    ///
    /// # Errors
    ///
    /// When something is not said and there is no workspace.
    pub(crate) fn of(options: &Options) -> anyhow::Result<Self> {
        let (Some(images), Some(_), Some(cache), Some(work)) = (
            &options.images,
            &options.runner,
            &options.cache,
            &options.work,
        ) else {
            let mut places = Self::in_workspace(&Workspace::locate()?)?;
            if let Some(images) = &options.images {
                places.images = absolute(images)?;
                places.builds = false;
            }
            if let Some(cache) = &options.cache {
                places.cache = made(cache)?;
            }
            if let Some(work) = &options.work {
                places.work = made(work)?;
            }
            return Ok(places);
        };
        Ok(Self {
            workspace: None,
            images: absolute(images)?,
            builds: false,
            cache: made(cache)?,
            work: made(work)?,
        })
    }

    /// The workspace's own folders.
    ///
    /// # Errors
    ///
    /// When they can not be made.
    pub(crate) fn in_workspace(workspace: &Workspace) -> anyhow::Result<Self> {
        Ok(Self {
            images: workspace.folder("scenarios/images")?,
            builds: true,
            cache: workspace.folder("cache/bencher-runner")?,
            work: workspace.folder("scenarios/work")?,
            workspace: Some(workspace.clone()),
        })
    }

    /// The runner that the user named, or the workspace's own, with the cache.
    ///
    /// # Errors
    ///
    /// When it is not there or can not be built.
    pub(crate) fn runner(&self, options: &Options) -> anyhow::Result<Runner> {
        match (&options.runner, &self.workspace) {
            (Some(binary), _) => {
                let binary = absolute(binary)?;
                if !binary.is_file() {
                    bail!("the runner {} is no file", binary.display());
                }
                Ok(Runner::at(binary, self.cache.clone(), self.work.clone()))
            }
            (None, Some(workspace)) => {
                prerequisites::ensure(&prerequisites::for_machines())?;
                if let Err(reason) = prerequisites::ensure_builder() {
                    console::note(&format!("images can not be built here: {reason:#}"));
                }
                Ok(Runner::build(workspace)?.with_cache(self.cache.clone()))
            }
            (None, None) => bail!("there is no workspace to build the runner of"),
        }
    }

    /// The `bencher-server` that the user named, or the workspace's own; `None` where there is neither.
    ///
    /// # Errors
    ///
    /// When it is not there or can not be built.
    pub(crate) fn server(&self, options: &Options) -> anyhow::Result<Option<PathBuf>> {
        match (&options.server, &self.workspace) {
            (Some(binary), _) => {
                let binary = absolute(binary)?;
                if !binary.is_file() {
                    bail!("the server {} is no file", binary.display());
                }
                Ok(Some(binary))
            }
            (None, Some(workspace)) => binaries::server(workspace).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// The image in the form that the runner takes, built first where that is needed and possible.
    ///
    /// # Errors
    ///
    /// When it is neither there nor can be built.
    pub(crate) fn image(&self, image: Image) -> anyhow::Result<PathBuf> {
        match &self.workspace {
            Some(workspace) if self.builds => image.build(workspace, &self.images),
            _ => image.find(&self.images),
        }
    }

    /// Why `image` can not be had here, if that is nobody's fault.
    pub(crate) fn lacks(&self, image: Image) -> Option<String> {
        if !self.builds || !image.needs_builder() {
            return None;
        }
        let reason = crate::images::builder().err()?;
        Some(format!("no image: {reason}"))
    }

    /// Builds the images of `scenarios`.
    ///
    /// # Errors
    ///
    /// When one can not be built.
    pub(crate) fn build_images(&self, scenarios: &[&Scenario]) -> anyhow::Result<()> {
        prerequisites::ensure_builder()?;
        let images: BTreeSet<Image> = scenarios.iter().map(|scenario| scenario.image).collect();
        for image in images {
            let path = self
                .image(image)
                .with_context(|| format!("the image {} can not be built", image.name()))?;
            console::note(&path.display().to_string());
        }
        Ok(())
    }
}

fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("cannot find {}", path.display()))
}

fn made(path: &Path) -> anyhow::Result<PathBuf> {
    fs::create_dir_all(path).with_context(|| format!("cannot make {}", path.display()))?;
    absolute(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn with_everything_said_no_workspace_is_needed() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| Some(folder.path().join(name));
        let options = Options {
            runner: at("runner"),
            images: at("images"),
            cache: at("cache"),
            work: at("work"),
            ..Options::default()
        };
        let places = Places::of(&options).expect("nothing else is needed");
        assert!(places.workspace.is_none());
        assert!(folder.path().join("work").is_dir());
        let error = places.runner(&options).expect_err("it is not there");
        assert!(error.to_string().ends_with("is no file"), "{error}");
        assert!(places.image(Image::Shell).is_err());
        assert_eq!(places.lacks(Image::Shell), None);
    }
}
