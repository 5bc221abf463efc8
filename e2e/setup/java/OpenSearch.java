import java.util.concurrent.CountDownLatch;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** Runs one OpenSearch node on 127.0.0.1 until it is ended: OpenSearch PORT DIR. */
public class OpenSearch {
  public static void main(String[] args) throws Exception {
    OpenSearchRunner runner = new OpenSearchRunner();
    Runtime.getRuntime().addShutdownHook(new Thread(() -> {
      try {
        runner.close();
      } catch (Exception e) {
        e.printStackTrace();
      }
    }));
    try {
      runner.onBuild((number, settings) -> settings
          .put("http.port", args[0])
          .put("transport.port", "0")
          .put("network.host", "127.0.0.1")
          .put("discovery.type", "single-node")
          .put("cluster.routing.allocation.disk.threshold_enabled", false))
        .build(OpenSearchRunner.newConfigs().basePath(args[1]).numOfNode(1).clusterName("syslane-test"));
    } catch (Throwable t) {
      t.printStackTrace();
      System.exit(1);
    }
    new CountDownLatch(1).await();
  }
}
