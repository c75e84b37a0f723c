import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.opensearch.Version;
import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.plugins.PluginInfo;

/** OpenSearch on 127.0.0.1, with plugins from the class path instead of folders. Usage: OpenSearchMain HOME PORT */
public class OpenSearchMain {
  /** The constructor that takes plugins is protected. */
  static class LocalNode extends Node {
    LocalNode(Environment environment, Collection<PluginInfo> plugins) {
      super(environment, plugins, false);
    }
  }

  static PluginInfo plugin(String name) {
    return new PluginInfo(name, "from the class path", "NA", Version.CURRENT, "21", name, null, List.of(), false);
  }

  public static void main(String[] arguments) throws Exception {
    Path home = Path.of(arguments[0]).toAbsolutePath();
    Files.createDirectories(home.resolve("config"));
    Settings settings =
        Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", home.resolve("logs").toString())
            .put("cluster.name", "test")
            .put("node.name", "n1")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[1])
            .put("transport.port", "0-0")
            .put("transport.type", "netty4")
            .put("http.type", "netty4")
            .put("discovery.type", "single-node")
            // The disk of a test machine may be nearly full.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    LogConfigurator.registerErrorListener();
    Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "n1");
    Node node =
        new LocalNode(
            environment,
            List.of(
                plugin("org.opensearch.transport.Netty4ModulePlugin"),
                plugin("org.opensearch.index.mapper.MapperExtrasModulePlugin"),
                plugin("org.opensearch.analysis.common.CommonAnalysisModulePlugin")));
    node.start();
    Thread.currentThread().join();
  }
}
