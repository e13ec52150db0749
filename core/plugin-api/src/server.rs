//! A server that is launched or attached to, and asked over HTTP: what the plugins of all
//! such servers do alike, so that each writes down what is special to its own.
//!
//! A plugin implements [`Server`] and calls [`export_server!`](crate::export_server). One
//! that does something else, such as an engine inside the process, implements
//! [`Backend`] itself.

use crate::backend::{Backend, Decoder, OpenContext};
use crate::openai::{self, OpenAiWire};
use crate::{
    ControlRequest, Description, Evidence, EvidenceSource, HttpRequest, LaunchContext, LaunchPlan,
    PluginError, Probes, PromptForm, RequestSpec,
};

/// How requests and answers look on the wire: an [`OpenAiWire`], or one of the plugin's own.
pub trait Wire: Send + Sync {
    /// The form in which it wants its prompts. `token_ids`: as token ids, if it can carry
    /// them.
    fn prompt_form(&self, token_ids: bool) -> PromptForm;

    /// The HTTP request for one request.
    ///
    /// # Errors
    /// If the request cannot be asked of this server.
    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError>;

    /// A decoder for one answer.
    fn decoder(&self) -> Box<dyn Decoder>;

    /// Headers of every request, such as a key: probes and resets get them too.
    fn headers(&self) -> &[(String, String)] {
        &[]
    }
}

impl Wire for OpenAiWire {
    fn prompt_form(&self, token_ids: bool) -> PromptForm {
        Self::prompt_form(self, token_ids)
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        Self::encode(self, request)
    }

    fn decoder(&self) -> Box<dyn Decoder> {
        Box::new(Self::decoder(self))
    }

    fn headers(&self) -> &[(String, String)] {
        &self.headers
    }
}

/// What is special to one kind of server.
pub trait Server: Send + Sync + Sized + 'static {
    /// What the backend is.
    fn describe() -> Description;

    /// Opens the backend with the options of one config entry.
    ///
    /// # Errors
    /// If the options contradict each other.
    fn open(context: &OpenContext) -> Result<Self, PluginError>;

    /// The wire format that its options ask for.
    ///
    /// # Errors
    /// If the server has none such, or the key is not in the environment.
    fn wire(&self) -> Result<Box<dyn Wire>, PluginError>;

    /// Whether prompts go out as token ids, on a wire that can carry them: if the description
    /// says that the server takes them, where no option says otherwise.
    fn sends_token_ids(&self) -> bool {
        Self::describe().capabilities.accepts_token_ids
    }

    /// How to start it; `None` if it can only be attached to.
    ///
    /// # Errors
    /// If no plan can be made from these options.
    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        let _ = context;
        Ok(None)
    }

    /// Where it can be asked about itself: `/health` and the list of models, if it has
    /// nothing else. The wire's headers go with each.
    fn probes(&self) -> Probes {
        openai::usual_probes()
    }

    /// What one piece of evidence says: the list of models, if it has nothing else.
    ///
    /// # Errors
    /// If `bytes` is not what `source` should give.
    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        openai::usual_evidence(source, bytes)
    }

    /// Requests that drop the prefix cache, to which the wire's headers are added; empty if
    /// it cannot be dropped.
    fn reset(&self) -> Vec<ControlRequest> {
        Vec::new()
    }
}

/// The backend of a [`Server`].
pub struct Served<S> {
    server: S,
    wire: Box<dyn Wire>,
    form: PromptForm,
}

impl<S: Server> Backend for Served<S> {
    fn describe() -> Description {
        S::describe()
    }

    fn open(context: &OpenContext) -> Result<Self, PluginError> {
        let server = S::open(context)?;
        let wire = server.wire()?;
        let form = wire.prompt_form(server.sends_token_ids());
        Ok(Self { server, wire, form })
    }

    fn launch(&self, context: &LaunchContext) -> Result<Option<LaunchPlan>, PluginError> {
        self.server.launch(context)
    }

    fn prompt_form(&self) -> PromptForm {
        self.form
    }

    fn encode(&self, request: &RequestSpec) -> Result<HttpRequest, PluginError> {
        self.wire.encode(request)
    }

    fn decoder(&self, _: &RequestSpec) -> Box<dyn Decoder> {
        self.wire.decoder()
    }

    fn probes(&self) -> Probes {
        self.server.probes().with_headers(self.wire.headers())
    }

    fn evidence(&self, source: &EvidenceSource, bytes: &[u8]) -> Result<Evidence, PluginError> {
        self.server.evidence(source, bytes)
    }

    fn reset(&self) -> Vec<ControlRequest> {
        let requests = self.server.reset().into_iter();
        let headers = self.wire.headers();
        requests
            .map(|request| openai::with_headers(request, headers))
            .collect()
    }
}

/// Registers the backend of a [`Server`](crate::server::Server) and exports this library as
/// a plugin. Once per library.
#[macro_export]
macro_rules! export_server {
    ($server:ty) => {
        $crate::export_backend!($crate::server::Served<$server>);
    };
}

#[cfg(test)]
mod tests {
    use serde_json::Map;

    use super::*;

    struct Plain;

    impl Server for Plain {
        fn describe() -> Description {
            Description::default()
        }

        fn open(_: &OpenContext) -> Result<Self, PluginError> {
            Ok(Self)
        }

        fn wire(&self) -> Result<Box<dyn Wire>, PluginError> {
            Ok(Box::new(OpenAiWire {
                headers: vec![("Authorization".to_owned(), "Bearer k".to_owned())],
                extra_body: Map::new(),
                ..OpenAiWire::default()
            }))
        }

        fn reset(&self) -> Vec<ControlRequest> {
            vec![ControlRequest::post("/flush")]
        }
    }

    #[test]
    fn a_key_goes_with_requests_probes_and_resets() {
        let backend = Served::<Plain>::open(&OpenContext::default()).unwrap();
        let prompt = crate::PromptContent::Text("hi".to_owned());
        let sent = backend
            .encode(&RequestSpec::one_token("m", prompt))
            .unwrap();
        let key = ("Authorization".to_owned(), "Bearer k".to_owned());
        assert!(sent.headers.contains(&key));
        let probes = backend.probes();
        let asked = [probes.health, probes.models];
        let asked = asked.into_iter().flatten();
        let asked = asked.chain(probes.info.into_iter().map(|probe| probe.request));
        let all: Vec<_> = asked.chain(backend.reset()).collect();
        assert_eq!(all.len(), 4);
        assert!(all.iter().all(|request| request.headers == [key.clone()]));
    }

    #[test]
    fn a_server_that_takes_no_token_ids_is_sent_text() {
        let backend = Served::<Plain>::open(&OpenContext::default()).unwrap();
        assert_eq!(backend.prompt_form(), PromptForm::Text);
    }

    #[test]
    fn a_server_that_says_nothing_else_is_known_by_its_list_of_models() {
        let backend = Served::<Plain>::open(&OpenContext::default()).unwrap();
        let models = EvidenceSource::Info(openai::MODELS_PROBE.to_owned());
        let found = backend
            .evidence(&models, br#"{"data":[{"id":"m"}]}"#)
            .unwrap();
        assert_eq!(found.model.as_deref(), Some("m"));
        let line = backend.evidence(&EvidenceSource::LogLine, b"x").unwrap();
        assert!(line.is_empty());
    }
}
