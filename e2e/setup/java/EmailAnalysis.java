import java.util.List;
import java.util.Map;
import java.util.regex.Pattern;

import org.apache.lucene.analysis.TokenStream;
import org.apache.lucene.analysis.email.UAX29URLEmailTokenizer;
import org.apache.lucene.analysis.miscellaneous.RemoveDuplicatesTokenFilter;
import org.apache.lucene.analysis.pattern.PatternCaptureGroupTokenFilter;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.index.IndexSettings;
import org.elasticsearch.index.analysis.AbstractTokenFilterFactory;
import org.elasticsearch.index.analysis.TokenFilterFactory;
import org.elasticsearch.index.analysis.TokenizerFactory;
import org.elasticsearch.indices.analysis.AnalysisModule.AnalysisProvider;
import org.elasticsearch.plugins.AnalysisPlugin;
import org.elasticsearch.plugins.Plugin;

/**
 * The analysis that the index .security wants and that Elasticsearch's server for
 * tests lacks; without that index there are no API keys.
 */
public class EmailAnalysis extends Plugin implements AnalysisPlugin {
  @Override
  public Map<String, AnalysisProvider<TokenizerFactory>> getTokenizers() {
    return Map.of("uax_url_email", (index, env, name, settings) -> TokenizerFactory.newFactory(name, UAX29URLEmailTokenizer::new));
  }

  @Override
  public Map<String, AnalysisProvider<TokenFilterFactory>> getTokenFilters() {
    return Map.of("pattern_capture", PatternCapture::new, "unique", Unique::new);
  }

  private static class PatternCapture extends AbstractTokenFilterFactory {
    private final Pattern[] patterns;
    private final boolean keep;

    PatternCapture(IndexSettings index, Environment env, String name, Settings settings) {
      super(name, settings);
      List<String> texts = settings.getAsList("patterns");
      patterns = texts.stream().map(Pattern::compile).toArray(Pattern[]::new);
      keep = settings.getAsBoolean("preserve_original", true);
    }

    @Override
    public TokenStream create(TokenStream in) {
      return new PatternCaptureGroupTokenFilter(in, keep, patterns);
    }
  }

  private static class Unique extends AbstractTokenFilterFactory {
    Unique(IndexSettings index, Environment env, String name, Settings settings) {
      super(name, settings);
    }

    @Override
    public TokenStream create(TokenStream in) {
      return new RemoveDuplicatesTokenFilter(in);
    }
  }
}
