import java.lang.reflect.Method;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import java.util.Set;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** Elasticsearch 8 or 9 on 127.0.0.1, without its launcher and security manager. Usage: ElasticsearchMain HOME PORT; HOME/modules has the modules. */
public class ElasticsearchMain {
  public static void main(String[] arguments) throws Exception {
    Path home = Path.of(arguments[0]).toAbsolutePath();
    System.setProperty("es.path.home", home.toString());
    System.setProperty("es.path.conf", home.resolve("config").toString());
    System.setProperty("es.logs.base_path", home.resolve("logs").toString());
    System.setProperty("es.logs.cluster_name", "test");
    Files.createDirectories(home.resolve("config"));
    Files.createDirectories(home.resolve("plugins"));
    LogConfigurator.registerErrorListener();
    Settings settings =
        Settings.builder()
            .put("path.home", home.toString())
            .put("path.data", home.resolve("data").toString())
            .put("path.logs", home.resolve("logs").toString())
            .put("cluster.name", "test")
            .put("node.name", "n1")
            .put("network.host", "127.0.0.1")
            .put("http.port", arguments[1])
            .put("transport.port", "0")
            .put("discovery.type", "single-node")
            // The disk of a test machine may be nearly full.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
    Environment environment = InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home.resolve("config"), () -> "n1");
    LogConfigurator.setNodeName("n1");
    LogConfigurator.configure(environment, true);
    PluginsLoader loader =
        PluginsLoader.createPluginsLoader(
            bundles("loadModulesBundles", environment.modulesDir()), bundles("loadPluginsBundles", environment.pluginsDir()), Map.of(), false);
    Node node = new Node(environment, loader);
    node.start();
    Thread.currentThread().join();
  }

  /** Version 9 has a second parameter: whether stable plugins are left out. */
  @SuppressWarnings("unchecked")
  private static <T> Set<T> bundles(String name, Path folder) throws Exception {
    Method method = Arrays.stream(PluginsLoader.class.getMethods()).filter(m -> m.getName().equals(name)).findFirst().orElseThrow();
    return (Set<T>) (method.getParameterCount() == 1 ? method.invoke(null, folder) : method.invoke(null, folder, false));
  }
}
